"""The baselines of a run: students of the same shape, trained without a teacher."""

from tfdistill.run.recipe_parts import trains_parts
from tfdistill.system.errors import UserError

RANDOM, START, TEXT = "random", "start", "text"  # where a baseline starts
BOTH = RANDOM, START


def baselines_of(value):
    """Reads the setting `baseline`.

    Args:
        value: "none", "both" (random and start), or a list of "random", "start" and "text",
            separated by commas.

    Returns:
        tuple of "random", "start" and "text", in that order.

    Raises:
        UserError: another word is among them.
    """
    words = [word.strip() for word in value.split(",") if word.strip()]
    if words in ([], ["none"]):
        return ()
    chosen = set(BOTH) if words == ["both"] else set(words)
    known = RANDOM, START, TEXT
    if not chosen <= set(known):
        raise UserError(
            f"`baseline`={value}: give none, both, or a list out of {', '.join(known)}, separated "
            "by commas"
        )
    return tuple(word for word in known if word in chosen)


def baseline_keys(config, task):
    """The baselines that a run trains: dict of their keys in metrics.json to where they start.

    Args:
        config: a `RunConfig`.
        task: the `Task`; one that learns from a teacher alone has none. Nor has a super-student,
            of which only parts are used.
    """
    if not task.learns_labels or trains_parts(config):
        return {}
    keys = {RANDOM: "baseline", START: task.same_start_key, TEXT: "baseline_text"}
    return {keys[word]: word for word in baselines_of(config.baseline)}


def canonical(value):
    """Writes `baseline` in one way, so that lists of the same words are equal settings."""
    words = baselines_of(value)
    return "both" if words == BOTH else ",".join(words) or "none"
