#!/usr/bin/env bash
# Sets up .venv/ and, for what is compared with, .venv-peers/; runs the steps of tfdistill and of its peers in turn.
# About half an hour on 2 cores; nothing else should run meanwhile. Options: see compare.py. On Linux PyTorch comes as
# its CUDA build, several GB, unless pip is pointed at PyTorch's index of CPU builds.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/../environment.sh"

prepare_environment base
tfdistill=$python
prepare_peers
cd "$root"
exec "$tfdistill" scripts/bench/compare.py --peers="$python" "$@"
