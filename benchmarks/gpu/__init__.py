"""How fast one GPU trains, and with how much memory, beside PyTorch and JAX."""
