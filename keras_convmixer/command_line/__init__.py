"""The command `convmixer` and its programs, each a module with a `main`."""
