# module: trainer.missing
# says: There is no module trainer.missing in the installed packages, so `python -m trainer.missing` could not begin.

