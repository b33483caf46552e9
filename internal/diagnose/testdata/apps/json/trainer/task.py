# says: The program read as JSON what is none: Expecting value: line 1 column 1 (char 0).
# at: trainer/task.py:7 in config
import json


def config(text):
    return json.loads(text)


config("")
