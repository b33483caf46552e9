from setuptools import find_packages
from setuptools import setup

setup(
    name='fashion-tf',
    version='0.1',
    packages=find_packages(),  # TensorFlow is the runtime version's
    description='Pieces of clothing, told apart by TensorFlow.'
)
