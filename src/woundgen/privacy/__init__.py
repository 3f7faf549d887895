"""Privacy leakage of a generated set about the photographs it was trained on: pure functions of arrays."""
