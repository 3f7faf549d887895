"""The job of `woundgen train`."""
