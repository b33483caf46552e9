# says: The program uses tensorflow.contrib of TensorFlow 1, which TensorFlow 2 does not have.
# at: trainer/task.py:3
import tensorflow.contrib.slim
