"""The entry point: arguments, training, results."""

import argparse
import logging

from trainer import model
from trainer import util


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--job-dir', default='output', help='where results go: gs://bucket/path or a local folder')
    parser.add_argument('--epochs', type=int, default=5)
    parser.add_argument('--learning-rate', type=float, default=@RATE@)
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_args()


def main():
    args = parse_args()
    trained, metrics = model.train(args.epochs, args.learning_rate, args.seed)
    for name, content in model.export(trained).items():
        util.save(args.job_dir, name, content)
    util.save(args.job_dir, 'metrics.json', util.to_json(metrics))
    logging.info('test accuracy %.4f', metrics['accuracy'])


if __name__ == '__main__':
    logging.basicConfig(level=logging.INFO)
    main()
