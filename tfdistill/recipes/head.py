"""The end of recipes whose losses reach no masked-LM head."""

from tfdistill.distillation.phases import Phase, Term


def head_phases(share):
    """A phase in which masked LM trains the head alone, and what the teacher taught stays.

    Args:
        share: share of the steps; 0 for no such phase.

    Returns:
        A tuple of at most one `Phase`.
    """
    if not share:
        return ()
    return (Phase("head", (Term("mlm", 1.0),), share=share, trainable=("head",)),)
