"""What a generated set gives away of the photographs it was trained on: pure functions of arrays."""
