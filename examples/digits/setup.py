from setuptools import find_packages
from setuptools import setup

REQUIRED_PACKAGES = [
    'scikit-learn>=1.0',
    'joblib',
    'matplotlib',
    'google-cloud-storage>=2.10',
]

setup(
    name='digits',
    version='0.1',
    install_requires=REQUIRED_PACKAGES,
    packages=find_packages(),
    include_package_data=True,
    description='Handwritten digits, read by a small neural network.'
)
