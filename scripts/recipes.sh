#!/usr/bin/env bash
# Compares the recipes on WikiText-2: one teacher, one student shape, equal steps, two seeds. Prints a table at the end.
#
#   bash scripts/recipes.sh DIR [PRECISION]        DIR holds the files of WikiText-2. All runs use one precision: float32, or
#                                                  bfloat16, which is faster on processors with units for it
#
# About an hour on 2 cores. The first teacher is runs/wikitext2/teacher, which is trained if it does not exist. Finished
# runs are skipped.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

[[ $# == 1 || $# == 2 ]] || { echo "usage: bash scripts/recipes.sh DIR [PRECISION]" >&2; exit 1; }
data_dir="$(realpath -- "$1")" precision=${2:-float32}
prepare_environment base
cd "$root"
train() { "$python" -m tfdistill.train --corpus=wikitext-2 --data_dir="$data_dir" --precision="$precision" "$@"; }

base=runs/wikitext2
[[ -d $base/teacher ]] || train --flagfile=configs/wikitext2.flags
# The teacher's training is not finished: students without a teacher would soon be better than the teacher.
teacher=runs/recipes/teacher
train --flagfile=configs/wikitext2.flags --output_dir=$teacher --teacher=$base/teacher \
  --layerdrop_adapt_steps=1000 --teacher_learning_rate=1e-3 --steps=2 --baseline=none

# The student's last layer is copied from the teacher's last layer, because minilm compares these two.
student() {  # name seed flags...
  local name=$1 seed=$2
  shift 2
  train --flagfile=configs/wikitext2.flags --output_dir="runs/recipes/$name-$seed" --teacher=$teacher/teacher \
    --seed="$seed" --student_init=spaced --steps=250 --validation_interval=25 --baseline=none "$@"  # the last of a flag counts
}
for seed in 0 1; do
  student mlm $seed --recipe=mlm  # no teacher: from the same start
  student random $seed --recipe=mlm --student_init=random
  student distilbert $seed --recipe=distilbert
  student pkd $seed --recipe=pkd
  student hybrid $seed --recipe=hybrid --then=distilbert
  student tinybert $seed --recipe=tinybert
  student minilm $seed --recipe=minilm
  student minilm_v1 $seed --recipe=minilm_v1
  student hybrid_tinybert $seed --recipe=hybrid --then=tinybert
done
"$python" -m tfdistill.compare --target_loss=5.1 --page=runs/recipes/comparison.html runs/recipes/*-[01]
