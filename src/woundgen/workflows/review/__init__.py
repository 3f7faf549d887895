"""The job of `woundgen review`, and what `woundgen generate --reviewed` makes of its decisions."""
