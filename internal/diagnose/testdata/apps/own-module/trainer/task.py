# says: The program imports trainer.utils, which belongs to its own package but is not in the archive that was installed.
# at: trainer/task.py:3
from trainer.utils import words
