# says: The program imports ConfigParser, which only Python 2 has.
# at: trainer/task.py:3
import ConfigParser
