"""The jobs of `woundgen fetch`."""
