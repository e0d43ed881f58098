"""Puts the parts together: the only place that chooses adapters and the order of things."""
