from trainer.utils import words
