"""The jobs of `woundgen data` and `woundgen phantoms`."""
