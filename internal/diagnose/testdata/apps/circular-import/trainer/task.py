# says: A module is used while it is being imported: build of trainer.model does not exist yet.
# at: trainer/data.py:1
from trainer import model
