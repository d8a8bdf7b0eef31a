#!/usr/bin/env bash
# Sets up .venv/ and runs the main job on the sample corpus: raw text in, runs/mini out.
# Further flags go to the command, their paths seen from the repository: bash scripts/mini.sh --output_dir=runs/other
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment base
cd "$root"
exec "$python" -m tfdistill.train --flagfile=configs/mini.flags "$@"
