"""The job of `woundgen utility`."""
