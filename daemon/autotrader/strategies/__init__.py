"""Strategy kinds, one file each, found by the registry."""
