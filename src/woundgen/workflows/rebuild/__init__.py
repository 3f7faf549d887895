"""The jobs of `woundgen rebuild`."""
