#!/usr/bin/env bash
# Sets up .venv/ with PyTorch and compares one distillation step of tfdistill with the same step in PyTorch.
# About six minutes on 2 cores; nothing else should run meanwhile. Options: see compare.py.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/../environment.sh"

prepare_environment parity
cd "$root"
exec "$python" scripts/bench/compare.py "$@"
