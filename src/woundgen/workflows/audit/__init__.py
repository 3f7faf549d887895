"""The job of `woundgen audit`."""
