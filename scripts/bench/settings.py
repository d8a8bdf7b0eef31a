"""The training steps that are compared, and their settings. Imported in every environment."""

import dataclasses

TEMPERATURE = 2.0
WEIGHTS = {"ce": 5.0, "mlm": 2.0, "cos": 1.0}
ADAMW = {"learning_rate": 5e-4, "betas": (0.9, 0.98), "epsilon": 1e-6}  # decays linearly to 0
CLIP = 5.0
VOCABULARY, LENGTH, MASKED = 30_522, 128, 19
TUNED = ADAMW | {"learning_rate": 1e-4}  # of fine-tuning
DECAY = 0.01  # of its weights, not of biases and norms
TASK_ALPHA = 0.5  # share of the KL in the distillation of a task

BEST, BEST_COMPILED = "PyTorch's best", "PyTorch's best, compiled"
BEST_16 = "PyTorch's best, bfloat16"
AS_IT_COMES, KEPT = "published script", "published, kept memory"
KERAS_HUB, OURS, OURS_16 = "KerasHub", "tfdistill", "tfdistill, bfloat16"
AT_ITS_BEST = BEST, BEST_COMPILED, BEST_16


@dataclasses.dataclass(frozen=True)
class Work:
    """A training step: 30,522 words, float32 but for one side.

    Args:
        title: for people.
        layers: of the model in training.
        teacher_layers: of its teacher, whose logits it learns (of all tokens, or of the task); 0:
            none.
        hidden: width of both.
        rows: in a batch.
        peers: who takes the step beside tfdistill.
        steps: how many are timed.
        length: tokens in a row, with padding.
        head_size: width of an attention head.
        tuned: whether an encoder learns to classify sentences; else it learns masked LM.
        dropout: rate of every dropout in the timed steps; losses are compared without.
    """

    title: str
    layers: int
    teacher_layers: int
    hidden: int
    rows: int
    peers: tuple
    steps: int
    length: int = LENGTH
    head_size: int = 64
    tuned: bool = False
    dropout: float = 0.0

    @property
    def heads(self):
        return self.hidden // self.head_size

    @property
    def tokens(self):
        return self.rows * self.length

    @property
    def adamw(self):
        return TUNED if self.tuned else ADAMW

    @property
    def decay(self):
        return DECAY if self.tuned else 0.0

    def operations(self):
        """Multiplications and additions of the matrix products of a step, all layers at all tokens.

        Backwards takes twice what forwards does. Logits of masked tokens are among those of all.
        tfdistill leaves out what no loss reads (`step_parts.products`).
        """
        layer = 2 * (12 * self.hidden**2 + 2 * self.length * self.hidden)  # per token
        if self.tuned:
            return self.tokens * layer * (3 * self.layers + self.teacher_layers)
        vocabulary = 2 * self.hidden * VOCABULARY
        head = 2 * self.hidden**2
        projected = self.tokens if self.teacher_layers else self.rows * MASKED
        student = self.tokens * self.layers * layer + projected * (vocabulary + head)
        teacher = self.teacher_layers and (
            self.tokens * self.teacher_layers * layer + projected * (vocabulary + head)
        )
        return 3 * student + teacher


def _task(length, teacher_layers=0):
    """The `Work` of a classifier of all-MiniLM-L6-v2's shape, with or without a teacher."""
    kind = f"distillation, {teacher_layers} x 384 to" if teacher_layers else "fine-tuning,"
    return Work(
        f"{kind} 6 x 384, sentences, {length} tokens, 32 rows",
        layers=6,
        teacher_layers=teacher_layers,
        hidden=384,
        rows=32,
        peers=AT_ITS_BEST,
        steps=8,
        length=length,
        head_size=32,
        tuned=True,
        dropout=0.1,
    )


WORKS = {
    "distil": Work(
        "distillation, 8 x 128 to 4 x 128, KL at all tokens, 32 rows",
        layers=4,
        teacher_layers=8,
        hidden=128,
        rows=32,
        peers=(*AT_ITS_BEST, AS_IT_COMES, KEPT),
        steps=4,
    ),
    "masked_lm": Work(
        "masked LM, 4 x 128, 32 rows",
        layers=4,
        teacher_layers=0,
        hidden=128,
        rows=32,
        peers=(*AT_ITS_BEST, KERAS_HUB, AS_IT_COMES, KEPT),
        steps=8,
    ),
    "base": Work(
        "distillation, BERT-base to 6 x 768, KL at all tokens, 8 rows",
        layers=6,
        teacher_layers=12,
        hidden=768,
        rows=8,
        peers=(*AT_ITS_BEST, KEPT),
        steps=4,
    ),
    "tune_16": _task(16),
    "tune_32": _task(32),
    "tune_64": _task(64),
    "distil_32": _task(32, teacher_layers=12),
    "distil_64": _task(64, teacher_layers=12),
}
