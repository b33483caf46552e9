# says: The program imports a module of trainer.models, a sub-package of its own that is not in the archive that was installed.
# at: trainer/task.py:3
from trainer.models.cnn import build
