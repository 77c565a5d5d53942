"""Flower, with a password and read-only.

    flowerconfig  the file for Flower's option `--conf`

Flower imports it by its path.
"""
