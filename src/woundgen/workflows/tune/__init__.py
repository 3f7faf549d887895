"""The job of `woundgen tune`."""
