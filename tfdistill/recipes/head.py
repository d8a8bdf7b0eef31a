"""The last phase of recipes whose losses do not reach the masked-LM head."""

from tfdistill.distillation.phases import Phase, Term

# The parts of the last layer after its queries, keys and values.
AFTER_LAST_RELATIONS = tuple(
    f"encoder/layer_-1/{part}"
    for part in ("attention/output", "attention_norm", "intermediate", "output", "output_norm")
)


def head_phases(share, below=(), parts=None):
    """Returns the phase in which masked LM trains the head and everything else is frozen.

    Args:
        share: share of the steps; 0 for no such phase.
        below: further parts to train (see `Phase.trainable`).
        parts: the `PartRanges` of a super-student; None: the whole student is trained.

    Returns:
        A tuple of at most one `Phase`.
    """
    if not share:
        return ()
    trained = ("head", *below)
    return (Phase("head", (Term("mlm", 1.0),), share=share, trainable=trained, parts=parts),)
