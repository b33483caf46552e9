open('gs://bucket/data.csv')
