"""The job of `woundgen demo`."""
