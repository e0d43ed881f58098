#!/usr/bin/env bash
# Lint, types and layers beside the whole test suite, whose processes mostly wait; what they found is said at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
found=$(mktemp)
scripts/check.sh >"$found" 2>&1 &
check=$!
trap 'kill "$check" 2>/dev/null || true; rm -f "$found"' EXIT
status=0
.venv/bin/python -m pytest -n 4 "$@" || status=$?
checked=0
wait "$check" || checked=$?
cat "$found"
[ "$checked" = 0 ] || echo "make check ended with exit code $checked, see above" >&2
[ "$status" != 0 ] || status=$checked
exit "$status"
