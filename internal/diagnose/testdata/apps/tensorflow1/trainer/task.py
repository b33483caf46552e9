# says: The program uses Session of TensorFlow 1, which TensorFlow 2 does not have under that name.
# at: trainer/task.py:5
import tensorflow as tf

tf.Session()
