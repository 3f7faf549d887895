"""Layouts of photograph folders: where files, labels, boxes and patients are."""
