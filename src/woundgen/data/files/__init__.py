"""Image files: found below a root, read and decoded safely, written."""
