"""The baselines of a run: students of the same shape, trained without a teacher."""

from tfdistill.system.errors import UserError

# Words of the setting `baseline` (where the baseline starts) and keys in metrics.json.
KEYS = {"random": "baseline", "start": "baseline_start", "text": "baseline_text"}
BOTH = "random", "start"


def baselines_of(value):
    """Reads the setting `baseline`.

    Args:
        value: "none", "both" (random and start), or a list of "random", "start" and "text",
            separated by commas.

    Returns:
        tuple of keys of `KEYS`, in that order.

    Raises:
        UserError: another word is among them.
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


def baseline_keys(config):
    """Lists the keys in metrics.json of the baselines that a run trains.

    Args:
        config: a `RunConfig`.
    """
    return [KEYS[word] for word in baselines_of(config.baseline)]


def canonical(value):
    """Writes `baseline` in one way, so that lists of the same words are equal settings."""
    words = baselines_of(value)
    return "both" if words == BOTH else ",".join(words) or "none"
