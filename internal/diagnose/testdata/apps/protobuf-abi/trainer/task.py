# says: A package brings code that was generated for another version of protobuf than the one that is installed.
# at: trainer/task.py:5 in train
# The words of protobuf 4.21 and later.
def train():
    raise TypeError('Descriptors cannot be created directly.\nIf this call came from a _pb2.py file, your generated code is out of date and must be regenerated with protoc >= 3.19.0.\nIf you cannot immediately regenerate your protos, some other possible workarounds are:\n 1. Downgrade the protobuf package to 3.20.x or lower.')


train()
