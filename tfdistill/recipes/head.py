"""The end of recipes whose losses do not reach the masked-LM head, or what is below it."""

from tfdistill.distillation.phases import Phase, Term

# Of the last layer, what comes after its queries, keys and values.
BEHIND_LAST_RELATIONS = tuple(
    f"encoder/layer_-1/{part}"
    for part in ("attention/output", "attention_norm", "intermediate", "output", "output_norm")
)


def head_phases(share, below=()):
    """A phase in which masked LM trains the head, and what the teacher taught stays.

    Args:
        share: share of the steps; 0 for no such phase.
        below: parts below the head that learned nothing either (see `Phase.trainable`).

    Returns:
        A tuple of at most one `Phase`.
    """
    if not share:
        return ()
    return (Phase("head", (Term("mlm", 1.0),), share=share, trainable=("head", *below)),)
