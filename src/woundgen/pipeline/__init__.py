"""The whole way from photographs to a report, in one folder: `woundgen run`."""
