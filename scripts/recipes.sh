#!/usr/bin/env bash
# The recipes side by side on WikiText-2: one teacher, one student's shape, equal steps, two seeds; then the table.
#
#   bash scripts/recipes.sh DIR [PRECISION]        DIR holds the files of WikiText-2; the same precision for all: float32, or
#                                                  bfloat16, faster where a processor has units for it
#
# About an hour on 2 cores. The first teacher is runs/wikitext2/teacher, made when it is not there. A run that is done is not done
# again.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/environment.sh"

[[ $# == 1 || $# == 2 ]] || { echo "usage: bash scripts/recipes.sh DIR [PRECISION]" >&2; exit 1; }
data_dir="$(realpath -- "$1")" precision=${2:-float32}
prepare_environment base
cd "$root"
train() { "$python" -m tfdistill.train --corpus=wikitext-2 --data_dir="$data_dir" --precision="$precision" "$@"; }

base=runs/wikitext2
[[ -d $base/teacher ]] || train --flagfile=configs/wikitext2.flags
# That teacher is not at its end yet: students without a teacher would soon be better than it.
teacher=runs/recipes/teacher
train --flagfile=configs/wikitext2.flags --output_dir=$teacher --teacher=$base/teacher \
  --layerdrop_adapt_steps=1000 --teacher_learning_rate=1e-3 --steps=2 --baseline=none

# The student's last layer is the teacher's, which minilm compares it with.
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
