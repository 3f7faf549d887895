"""How the networks that ship with the package are built and trained."""
