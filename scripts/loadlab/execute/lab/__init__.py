"""Adapters of the lab on Kubernetes: its tools, its cluster, what is loaded, applied, waited for and asked."""
