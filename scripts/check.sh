#!/usr/bin/env bash
# Lint, format, types, layers.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy scripts/loadlab services/common/svc_common services/flask_gunicorn services/fastapi_uvicorn services/upstream services/golden locustfiles grafana/src/boards tests
PYTHONPATH=scripts:services/common .venv/bin/lint-imports
