"""The machine and its processes: devices, ranks, signals, locks, provenance."""
