"""Statistics: arrays in, estimates out. Pure; the independent unit is the block, never the request."""
