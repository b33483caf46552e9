"""Counts letters; a package without setup.py."""
