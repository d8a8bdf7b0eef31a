#!/usr/bin/env bash
# Sets up .venv/ and runs the main job on the bundled sample, from raw text to runs/mini.
# Other flags are passed on; paths are relative to the repository: bash scripts/mini.sh --output_dir=runs/other
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment base
cd "$root"
exec "$python" -m tfdistill.train --flagfile=configs/mini.flags "$@"
