#!/usr/bin/env bash
# Writes what is generated for Prometheus and Grafana: the price rules out of scripts/prices, the boards out of grafana/src.
set -euo pipefail
cd "$(dirname "$0")/.."
rules=k8s/base/prometheus/rules/prices.yaml
.venv/bin/loadlab lab rules >"$rules.new"
mv "$rules.new" "$rules"
PYTHONPATH=grafana/src .venv/bin/python -W ignore::DeprecationWarning -m boards grafana/dashboards
