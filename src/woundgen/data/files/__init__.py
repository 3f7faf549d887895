"""Image files: listed below a root, read and decoded safely, written."""
