# cause: nan-weights
# says: The values of dense_1/bias_0 became NaN or infinite, as the histograms for TensorBoard noticed.
# at: trainer/task.py:10 in train
# The words of TensorFlow 1.15.
from tensorflow.python.framework.errors_impl import InvalidArgumentError


def train():
    # From model.fit with callbacks=[TensorBoard(histogram_freq=1)].
    raise InvalidArgumentError("Nan in summary histogram for: dense_1/bias_0\n\t [[{{node dense_1/bias_0}}]]")


train()
