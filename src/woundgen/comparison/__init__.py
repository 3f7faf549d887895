"""Several runs or checkpoints side by side, from their stored numbers. No torch."""
