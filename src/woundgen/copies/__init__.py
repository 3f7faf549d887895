"""Copy detection: local features, candidate references, geometric verification, and the score that counts as a copy."""
