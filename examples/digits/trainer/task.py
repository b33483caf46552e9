"""Trains on the UCI handwritten digits and keeps the model in the job-dir."""

import argparse
import logging

from trainer import model
from trainer import util


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--job-dir', default='output',
                        help='where the model goes: gs://bucket/path or a local folder')
    parser.add_argument('--epochs', type=int, default=20)
    parser.add_argument('--hidden', type=int, default=64, help='units of the hidden layer')
    parser.add_argument('--learning-rate', type=float, default=0.005)
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_args()


def main():
    args = parse_args()
    train, test = model.load_data(args.seed)
    logging.info('%d digits to train on, %d to test on', len(train.y), len(test.y))

    classifier = model.build(args.hidden, args.learning_rate, args.seed)
    for epoch in range(1, args.epochs + 1):
        loss = model.train_epoch(classifier, train)
        logging.info('epoch %d/%d: loss %.4f, test accuracy %.4f',
                     epoch, args.epochs, loss, model.accuracy(classifier, test))

    metrics, picture = model.evaluate(classifier, test)
    metrics['epochs'] = args.epochs
    util.save(args.job_dir, 'model.joblib', util.dump(classifier))
    util.save(args.job_dir, 'metrics.json', util.to_json(metrics))
    util.save(args.job_dir, 'confusion_matrix.png', picture)
    logging.info('test accuracy %.4f; the model is %s/model.joblib',
                 metrics['accuracy'], args.job_dir.rstrip('/'))


if __name__ == '__main__':
    logging.basicConfig(level=logging.INFO)
    main()
