"""Adapters of the Kubernetes target. kubectl is the only door (docs/adr/0013)."""
