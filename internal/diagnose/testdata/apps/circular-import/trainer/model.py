from trainer.data import load


def build():
    return load
