"""Reader studies: the design, the answers on disk, and the statistics. No torch, and no web framework but in `web`."""
