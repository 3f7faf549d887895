"""Sides of a split and folds: whole groups, near to the wanted shares."""
