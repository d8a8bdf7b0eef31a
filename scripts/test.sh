#!/usr/bin/env bash
# Sets up .venv/ with the test extras, checks the style and runs the tests. Further arguments go to pytest.
#
#   bash scripts/test.sh             the default suite
#   bash scripts/test.sh --parity    only the comparison with PyTorch (installs it; Linux gets its CUDA build
#                                    unless pip is pointed at PyTorch's index of CPU builds)
#   bash scripts/test.sh --slow      only the tests that train for minutes
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

case ${1:-} in
  --parity)
    shift
    prepare_environment parity
    cd "$root"
    exec "$python" -m pytest -m parity "$@"
    ;;
  --slow)
    shift
    prepare_environment test
    cd "$root"
    exec "$python" -m pytest -m slow "$@"
    ;;
esac

prepare_environment test
cd "$root"
status=0
"$python" -m ruff check . || status=$?
"$python" -m pytest "$@" || status=$?
exit "$status"
