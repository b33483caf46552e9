# says: TensorFlow was built for processors with AVX, and this one has none.
# at: trainer/task.py:9
# The words of TensorFlow 1.6 to 2.11, tensorflow/core/platform/cpu_feature_guard.cc.
import os
import sys

sys.stderr.write("2026-11-25 10:00:00.000000: F tensorflow/core/platform/cpu_feature_guard.cc:37] The TensorFlow library was compiled to use AVX instructions, but these aren't available on your machine.\n")
sys.stderr.flush()
os.abort()
