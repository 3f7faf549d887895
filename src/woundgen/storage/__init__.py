"""Names of artefacts, files that survive a crash, ownership of folders, checkpoints."""
