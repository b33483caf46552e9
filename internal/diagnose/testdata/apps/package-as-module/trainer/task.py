# module: trainer
# says: trainer is a package, a folder of modules, and has no __main__ that could be run.

