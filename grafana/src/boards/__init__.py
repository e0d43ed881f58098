"""The lab's Grafana boards. `python -m boards` (from grafana/src) writes them to grafana/dashboards."""
