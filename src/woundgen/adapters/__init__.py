"""Trained parts of a base model: averaging, saving, loading and applying them."""
