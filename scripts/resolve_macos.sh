#!/usr/bin/env bash
# Checks on any machine that the pinned macOS sets resolve to wheels, exactly as pinned. Installs nothing; takes a few
# minutes. PYTHON names a Python with pip that runs it; default: .venv's, then python3.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

set -- "$python" python3 python3.11 python3.12 python3.13 python
[ -z "${PYTHON:-}" ] || set -- "$PYTHON"
for candidate; do
  if "$candidate" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    exec "$candidate" "$root/scripts/resolve_macos.py"
  fi
done
die "found no Python 3.11 or later with pip among: $*; name one: PYTHON=/path/to/python3.11 bash $0"
