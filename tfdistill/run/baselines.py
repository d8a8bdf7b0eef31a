"""The students without a teacher that `baseline` asks for, beside which the student is held."""

from tfdistill.system.errors import UserError

# Where they start, by the words of the flag, to their keys in metrics.json.
KEYS = {"random": "baseline", "start": "baseline_start", "text": "baseline_text"}
BOTH = "random", "start"


def baselines_of(value):
    """Reads the flag.

    Args:
        value: "none", "both" (random and start), or a list of "random", "start" and "text",
            separated by commas.

    Returns:
        tuple of the words out of `KEYS`, in that order.

    Raises:
        UserError: there is another word.
    """
    words = [word.strip() for word in value.split(",") if word.strip()]
    if words in ([], ["none"]):
        return ()
    chosen = set(BOTH) if words == ["both"] else set(words)
    if not chosen <= KEYS.keys():
        raise UserError(
            f"`baseline`={value}: give none, both, or a list out of {', '.join(KEYS)}, separated "
            "by commas"
        )
    return tuple(word for word in KEYS if word in chosen)


def canonical(value):
    """The flag in one way of writing it, so that lists of the same words are the same setting."""
    words = baselines_of(value)
    return "both" if words == BOTH else ",".join(words) or "none"
