# says: The program reads text as utf-8, and it is not: 0xe9 in position 3.
# at: trainer/task.py:4 in read
def read(data):
    return data.decode("utf-8")


read(b"caf\xe9 au lait")
