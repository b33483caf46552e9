# says: The program uses get_ipython, which only a notebook has.
# at: trainer/task.py:3
get_ipython().run_line_magic("matplotlib", "inline")
