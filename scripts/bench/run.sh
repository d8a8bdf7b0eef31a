#!/usr/bin/env bash
# Sets up .venv/, and .venv-peers/ with PyTorch and KerasHub, and runs the training steps of tfdistill and these peers
# in turn. Over half an hour on 2 cores; nothing else should run during this time. Options, such as --rounds=3 or
# --works masked_lm: see compare.py. On Linux, pip installs PyTorch's CUDA build (several GB) unless it is configured to
# use PyTorch's index of CPU builds.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/../environment.sh"

prepare_environment base
tfdistill=$python
prepare_peers
cd "$root"
exec "$tfdistill" scripts/bench/compare.py --peers="$python" "$@"
