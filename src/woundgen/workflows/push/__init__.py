"""The job of `woundgen push`."""
