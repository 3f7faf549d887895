"""The functions and results that `import woundgen` offers, on which the command line stands."""
