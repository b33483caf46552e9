"""Learns which letter tends to follow which, from a list of words."""

import argparse
import logging
import os

from trainer.utils import pairs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--epochs', type=int, default=3)
    parser.add_argument('--job-dir', default='')
    args = parser.parse_args()

    words = pairs.load_words()
    counts = {}
    for epoch in range(1, args.epochs + 1):
        counts = pairs.count(words)
        logging.info('epoch %d/%d: %d words, %d pairs of letters', epoch, args.epochs, len(words), len(counts))
    best = max(sorted(counts), key=counts.get)
    print('most frequent pair: %s, %d times' % (best, counts[best]))
    if args.job_dir and not args.job_dir.startswith('gs://'):
        os.makedirs(args.job_dir, exist_ok=True)
        with open(os.path.join(args.job_dir, 'pairs.txt'), 'w') as f:
            for pair in sorted(counts):
                f.write('%s %d\n' % (pair, counts[pair]))


if __name__ == '__main__':
    logging.basicConfig(level=logging.INFO)
    main()
