# says: The program uses estimator, which TensorFlow no longer has (Estimators went with 2.16).
# at: trainer/task.py:5
import tensorflow as tf

tf.estimator.RunConfig()
