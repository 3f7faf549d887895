"""The jobs of `woundgen evaluate`, and of `woundgen compare --guidance`."""
