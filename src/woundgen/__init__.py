"""woundgen: synthetic wound photographs from small clinical sets, measured and screened."""

__version__ = "0.1.0"
