"""The settings that suit a sentence encoder, each with its reason.

Numbers are those of docs/RESULTS.md, which has students of all-MiniLM-L6-v2 alone.
"""

import math

from tfdistill.run.advice_settings import Choice
from tfdistill.run.learning_rates import HIGHEST, STUDENT, fine_tuning_rate

FILE = "configs/sentence_embedding.flags"  # whose settings are advised
BATCH, WIDTH = 64, 384
PASSES = {  # by the number of sentences
    176_006: (4.0, f"as in {FILE}, for the 176,006 sentences of scripts/gather_sentences.py"),
    9_275: (
        20.0,
        "as the static student of docs/RESULTS.md had over 9,275 sentences; those with layers had "
        "176,006 there",
    ),
}
REMARKS = (
    f"`length` is where texts are cut: {FILE} has 64, for sentences",
    "name pairs of texts with scores of people by `validation_data` and `test_data`: without them "
    "the quality is the correlation with the teacher's own cosines",
    "a table without layers is another way: `student_type`=static with `recipe`=static "
    "(configs/static.flags). That of all-MiniLM-L6-v2 has a correlation of 0.843 with people on "
    "STS-B dev, an int8 file of 7.95 MB, and takes 0.061 ms for 64 tokens, the teacher's int8 file "
    "13.0 ms (docs/RESULTS.md)",
)


def start_choice(narrower):
    """What the student starts from: a `Choice`.

    Args:
        narrower: whether it is narrower than the teacher.
    """
    if narrower:
        return Choice(
            "student_init",
            "spaced:pca",
            "the principal components of the teacher's states: of all-MiniLM-L6-v2, a 4 × 312 has "
            "before any training a correlation of 0.834 with people on STS-B dev, with sliced "
            "states 0.774, and the teacher 0.867 (docs/RESULTS.md)",
        )
    reason = "the teacher's first and last layer and those between: vectors are read after the last"
    return Choice("student_init", "spaced", f"{reason} ({FILE})")


def training_choices(task, width, rows, given):
    """How the student is trained.

    Args:
        task: the `Task`.
        width: of the student.
        rows: sentences; 0 if unknown.
        given: dict of the flags that are given.

    Returns:
        list of `Choice`s.
    """
    why = (
        "the teacher's vectors of sentences, without labels: a 3 × 384 student of all-MiniLM-L6-v2 "
        "has a correlation of 0.866 with people on STS-B dev, its start 0.842 and the teacher "
        "0.867 (docs/RESULTS.md)"
    )
    ours = Choice("recipe", "sentence", why)
    like = min(PASSES, key=lambda count: abs(math.log(count / (rows or count))))
    return [
        Choice("recipe", given["recipe"], "given") if "recipe" in given else ours,
        Choice("batch_size", BATCH, f"as in {FILE}: cosines are compared within a batch"),
        Choice("n_epoch", *PASSES[like]),
        _rate(task, width),
        Choice("patience", 0, f"as in {FILE}: all passes are made, and the best point is kept"),
        *(Choice("", None, remark) for remark in REMARKS),
    ]


def _rate(task, width):
    if width <= WIDTH:
        return Choice("learning_rate", HIGHEST, f"as in {FILE}, for widths of 384 and 312")
    rate = float(f"{fine_tuning_rate(task, width, STUDENT):.4g}")
    reason = "twice the rate of fine-tuning at BERT-base's width, times 768 / width; not tried here"
    return Choice("learning_rate", rate, reason)
