"""Pairs of letters in words."""

import pkgutil


def load_words():
    return pkgutil.get_data('trainer', 'data/words.txt').decode('utf-8').split()


def count(words):
    counts = {}
    for word in words:
        for pair in zip(word, word[1:]):
            key = ''.join(pair)
            counts[key] = counts.get(key, 0) + 1
    return counts
