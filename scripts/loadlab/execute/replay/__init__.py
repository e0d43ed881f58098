"""A past session in a real Prometheus on this machine."""
