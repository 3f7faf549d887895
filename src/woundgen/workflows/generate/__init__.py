"""The job of `woundgen generate`."""
