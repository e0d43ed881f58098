#!/usr/bin/env bash
# Writes requirements.lock: every version with its hashes, for all platforms, without index addresses; then the part of
# it that each image installs, beside the image's pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
compile=(.venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11)
"${compile[@]}" --all-extras pyproject.toml --output-file requirements.lock "$@"
for folder in services/common services/flask_gunicorn services/fastapi_uvicorn services/upstream locustfiles; do
  "${compile[@]}" --no-annotate --no-emit-package svc_common --constraint requirements.lock \
    "$folder/pyproject.toml" --output-file "$folder/requirements.lock"
done
