# says: The program imports keras.layers.core, which newer versions of Keras do not have.
# at: trainer/task.py:3
from keras.layers.core import Dense
