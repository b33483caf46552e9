# says: Python found no folder in which it can write temporary files (it tried ['/dev/full/tmp']); the disk is full, or they are read-only.
# at: trainer/task.py:7
import tempfile

# A machine on which every folder for temporary files is full.
tempfile._candidate_tempdir_list = lambda: ["/dev/full/tmp"]
tempfile.TemporaryFile()
