"""Runs exported files in third-party clients.

`python -m tests.clients` exports files in every format, installs each client in
its own environment, compares it with Keras on 100 images, and writes
docs/clients.md.
"""
