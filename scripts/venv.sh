#!/usr/bin/env bash
# Makes .venv from requirements.lock, hash-checked. Does nothing when .venv is of this folder and matches the lock.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.lock.sha256
want=$(cat requirements.lock pyproject.toml | sha256sum)
# Its programs and the editable install name their folder: one that was moved or copied here runs another checkout, or nothing.
is_of_here() { [ -x .venv/bin/python ] && grep -qF -- " $(pwd -P)/.venv" .venv/pyvenv.cfg 2>/dev/null; }
[ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ] && is_of_here && exit 0

python=""
for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
  [ -n "$candidate" ] || continue
  "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python=$candidate && break
done
if [ -z "$python" ]; then
  echo "venv: no Python 3.11 or newer with venv found; install one (Debian, Ubuntu: apt install python3 python3-venv) or set PYTHON=" >&2
  exit 2
fi

echo "venv: making .venv with $("$python" --version) from requirements.lock" >&2
rm -f "$stamp"
"$python" -m venv --clear .venv
# uv installs the lock some twenty times faster than pip; pip is the way back where uv cannot reach the index.
uv_pin=$(sed -n '/^uv==/,/[^\\]$/p' requirements.lock)
printf '%s\n' "$uv_pin" >.venv/uv.txt
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
if ! .venv/bin/uv pip sync --quiet --require-hashes --python .venv/bin/python requirements.lock 2>.venv/uv.log; then
  echo "venv: uv could not install the lock (.venv/uv.log), going on with pip" >&2
  "$python" -m venv --clear .venv
  .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
fi
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --offline -e .
printf '%s\n' "$want" >"$stamp"
