#!/usr/bin/env bash
# Writes requirements.lock: every version with its hashes, for all platforms, without index addresses.
set -euo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal \
  --python-version 3.11 --all-extras pyproject.toml --output-file requirements.lock "$@"
