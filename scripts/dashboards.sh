#!/usr/bin/env bash
# Writes what is generated for Prometheus and Grafana: the price rules out of scripts/prices, the same rules for the
# Prometheus operator, and the boards out of grafana/src.
set -euo pipefail
cd "$(dirname "$0")/.."
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
.venv/bin/loadlab lab rules >"$fresh"
cat "$fresh" >k8s/base/prometheus/rules/prices.yaml
.venv/bin/loadlab lab rules --operator >"$fresh"
cat "$fresh" >k8s/components/prometheus-operator/rules.yaml
PYTHONPATH=grafana/src .venv/bin/python -W ignore::DeprecationWarning -m boards grafana/dashboards
