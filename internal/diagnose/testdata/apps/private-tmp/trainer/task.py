open("/tmp/data-of-nobody.csv")
