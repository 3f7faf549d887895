"""Where a folder of photographs keeps its files, labels, boxes and patients."""
