"""The jobs of `woundgen study`: draw a study, serve it, report it."""
