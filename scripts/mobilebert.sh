#!/usr/bin/env bash
# Compares MobileBERT's knowledge transfers, shapes and norms on WikiText-2: one inverted-bottleneck teacher, equal
# steps, two seeds, and runs without a teacher from the same starts. Prints the tables at the end.
#
#   bash scripts/mobilebert.sh DIR        DIR holds the files of WikiText-2
#
# About an hour on 2 cores. Finished runs are skipped.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

[[ $# == 1 ]] || { echo "usage: bash scripts/mobilebert.sh DIR" >&2; exit 1; }
data_dir="$(realpath -- "$1")"
prepare_environment base
cd "$root"
runs=runs/mobilebert
train() {
  "$python" -m tfdistill.train --corpus=wikitext-2 --data_dir="$data_dir" --length=64 --dropout=0 --mlm_smoothing=0 \
    --learning_rate=2e-3 --precision=float32 "$@"
}
teacher=$runs/teacher
train --output_dir=$teacher --recipe=mobilebert_akt --teacher_type=mobilebert --teacher_config=L-6_H-256_B-128_A-4_F-1 \
  --teacher_steps=1500 --teacher_learning_rate=1e-3 --layerdrop=0 \
  --student_type=mobilebert --student_config=L-6_H-48_B-128_A-4_F-4_OPT --student_init=embeddings --steps=2

student() {  # name seed shape flags...
  local name=$1 seed=$2 shape=$3
  shift 3
  train --output_dir="$runs/$name-$seed" --teacher=$teacher/teacher --seed="$seed" --student_type=mobilebert \
    --student_config="$shape" --student_init=embeddings --steps=300 --validation_interval=50 "$@"
}
mobile=L-6_H-48_B-128_A-4_F-4
for seed in 0 1; do
  # Three kinds of knowledge transfer for the same student.
  student akt $seed ${mobile}_OPT --recipe=mobilebert_akt --baseline=start
  student jkt $seed ${mobile}_OPT --recipe=mobilebert_jkt
  student pkt $seed ${mobile}_OPT --recipe=mobilebert_pkt
  # LayerNorm and GELU instead of NoNorm and ReLU.
  student norm $seed $mobile --recipe=mobilebert_pkt --baseline=start
  # Bottleneck width and heads against feed-forward parts. The attention loss needs the teacher's number of heads, so it
  # is omitted for all three shapes.
  shape() { student "$1" $seed "$2" --recipe=mobilebert_pkt --alpha_attention=0 "${@:3}"; }
  shape heads_6 L-6_H-72_B-128_A-6_F-1_I-360_OPT --baseline=start
  shape heads_4 ${mobile}_OPT  # without a teacher: the baseline of akt
  shape heads_3 L-6_H-36_B-128_A-3_F-8_OPT --baseline=start
done
for table in "akt jkt pkt" "pkt norm" "heads_6 heads_4 heads_3"; do
  found=()
  for name in $table; do found+=("$runs/$name-0" "$runs/$name-1"); done
  "$python" -m tfdistill.compare --page="$runs/${table%% *}.html" "${found[@]}"
done
