# says: This Keras reads model files by an h5py before 3.
# at: trainer/task.py:5
from tensorflow.hdf5_format import load_model_from_hdf5

load_model_from_hdf5("{}")
