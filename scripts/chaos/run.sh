#!/usr/bin/env bash
# Checks the promises of docs/RELIABILITY.md at length: one line of verdict each, on standard output.
#
#   bash scripts/chaos/run.sh                        every promise
#   bash scripts/chaos/run.sh one_run                only these
#   bash scripts/chaos/run.sh --minutes=10 one_run   about this long each (soak: six at least); default: as its figure needs
#
# A promise is a script of scripts/chaos/ that takes --minutes, prints its verdict last and ends with 0 (kept) or 1.
# What they do in the meantime goes to standard error. The exit code is 1 if one was broken.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/../environment.sh"

minutes=()
promises=()
for word in "$@"; do
  case $word in
    --minutes=*) minutes=("$word") ;;
    -*) die "$word: the one flag is --minutes=N" ;;
    *) promises+=("$word") ;;
  esac
done
if [ ${#promises[@]} = 0 ]; then
  for file in "$root"/scripts/chaos/*.py; do
    name=${file##*/}
    promises+=("${name%.py}")
  done
fi
for name in "${promises[@]}"; do
  [ -f "$root/scripts/chaos/$name.py" ] || die "$name: there is no scripts/chaos/$name.py"
done

prepare_environment test
cd "$root"
status=0
for name in "${promises[@]}"; do
  "$python" "scripts/chaos/$name.py" ${minutes[@]+"${minutes[@]}"} || status=1
done
exit "$status"
