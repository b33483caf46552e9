# cause: keras-apart
# says: The program takes Adam from keras.optimizers, which does not have it in the Keras beside TensorFlow 2.5 to 2.8.
# at: trainer/task.py:6
from keras import optimizers

optimizers.Adam(lr=0.1)
