open('data/train.csv')
