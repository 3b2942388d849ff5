"""What the paper claims, tried at a size that two cores can train."""
