"""The job of `woundgen export`."""
