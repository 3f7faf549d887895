"""Does adding synthetic images help a classifier of phases? Arms, scores, paired intervals, a verdict."""
