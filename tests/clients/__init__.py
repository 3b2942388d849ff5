"""Exported files in clients that nobody here wrote.

`python -m tests.clients` makes files of every format, installs each client in
an environment of its own, compares it with Keras on 100 images, and writes
docs/clients.md.
"""
