"""Spikes of the training loss: steps whose loss is far above that of the steps before them."""

import statistics

RECENT = 100  # steps that a loss is compared with
FEWEST = 20  # below this many, nothing is a spike
DEVIATIONS, SHARE = 10.0, 0.5  # a spike is above the median by both
NORMAL = 1.4826  # standard deviation ÷ median absolute deviation, of a normal distribution


def spikes_among(unlogged, done, recent):
    """Finds spikes among the steps since the last logged point.

    A loss is a spike if it is above the median of the last `RECENT` steps by more than `DEVIATIONS`
    standard deviations, estimated by the median absolute deviation, and by more than half of it.
    Medians do not move with the spikes themselves. Of several steps in a call the mean counts.

    Args:
        unlogged: `Unlogged`, with `loss`.
        done: number of steps done.
        recent: list of the losses of the steps before; those of `unlogged` are added, and old ones
            removed.

    Returns:
        list of dicts: `step`, the last step's number, from 1; `steps`, the numbers of all steps of
        the call; `loss`; `usual`, the median; `deviation`.
    """
    found, step = [], done - round(unlogged.steps)
    for losses, count in zip(unlogged.losses, unlogged.counts, strict=True):
        first, step = step + 1, step + round(count)
        loss = float(losses["loss"]) / count
        if len(recent) >= FEWEST:
            usual = statistics.median(recent)
            spread = NORMAL * statistics.median(abs(each - usual) for each in recent)
            if loss - usual > max(DEVIATIONS * spread, SHARE * abs(usual)):
                found.append(
                    {
                        "step": step,
                        "steps": list(range(first, step + 1)),
                        "loss": loss,
                        "usual": usual,
                        "deviation": spread,
                    }
                )
        recent.append(loss)
        del recent[:-RECENT]
    return found
