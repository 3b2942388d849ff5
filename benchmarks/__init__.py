"""Measurements of the exported files, side by side with other programs."""
