"""Search for settings: space, budget, proposals, objective, and the comparison that confirms. Pure: trains nothing."""
