from trainer.model import build


def load():
    return build
