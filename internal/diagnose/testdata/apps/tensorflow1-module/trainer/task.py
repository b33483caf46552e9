# cause: tensorflow1
# says: The program uses simple_save of TensorFlow 1, which TensorFlow 2 does not have under that name.
# at: trainer/task.py:5
# The words of TensorFlow 2.8.
raise AttributeError("module 'tensorflow._api.v2.saved_model' has no attribute 'simple_save'")
