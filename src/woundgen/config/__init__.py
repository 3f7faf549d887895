"""Settings: read, merged, checked."""
