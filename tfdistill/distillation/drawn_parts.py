"""The parts of a student that a step trains.

Either some are drawn (AutoTinyBERT, Yin et al., 2021, section 3.2), or all are trained (DynaBERT,
Hou et al., 2020, section 2).
"""

import tensorflow as tf

from tfdistill.distillation.losses import LOSSES
from tfdistill.distillation.phases import NONE
from tfdistill.distillation.signals import LOGITS, VOCABULARY_SIGNALS
from tfdistill.distillation.sums import sum_in_loop
from tfdistill.models.draws import draw
from tfdistill.models.part_grid import PartGrid
from tfdistill.models.part_shapes import PartShape, SpreadShape
from tfdistill.system.errors import UserError

STREAM = 0x5B  # combined with the seed: other draws than those of dropout and LayerDrop
DRAWN_OF_SANDWICH = 2
HIDDEN = frozenset(("embeddings", "hidden_states", "last_hidden_state"))
ATTENTION = frozenset(("attention_scores", "attention_probs"))


def parts_in_step(ranges):
    """Number of parts that a step trains; `ranges` is a `PartRanges`."""
    return 2 + DRAWN_OF_SANDWICH if ranges.sandwich else 1


def passes_in_step(parts, config):
    """How many passes of the whole student the parts of a step cost.

    Parts run inside the student by masks, so that a narrow one takes as long; of a grid, layers
    that a part lacks are left out.

    Args:
        parts: `PartRanges`, `PartGrid` or None.
        config: EncoderConfig of the whole student.

    Returns:
        float.
    """
    if parts is None:
        return 1.0
    if isinstance(parts, PartGrid):
        space = parts.space(config)
        layers = sum(number for number, _ in space.depths)
        return len(space.widths) * layers / config.num_hidden_layers
    return float(parts_in_step(parts))


def draw_part(ranges, config, *, seed, step, index):
    """The shape of one of the parts that a step trains, a function of the arguments alone.

    Layers, width and neurons are drawn independently and uniformly; then the attention among what
    the width has a place for.

    Args:
        ranges: `PartRanges`.
        config: EncoderConfig of the whole student.
        seed: int, the run's seed.
        step: int32 scalar, the global step.
        index: int or int32 scalar, number of the part in the step. Of a sandwich 0 is the largest
            part and 1 the smallest.

    Returns:
        `PartShape` of float32 scalars.
    """
    space = ranges.space(config)
    seed = tf.stack([tf.constant(seed ^ STREAM), step])
    drawn = _drawn(space, draw([4], seed=seed, site=tf.cast(index, tf.int64)))
    if not ranges.sandwich:
        return drawn
    place = tf.cast(index, tf.float32)  # Metal cannot compare integers
    return PartShape(
        *(
            tf.where(place < 0.5, float(most), tf.where(place < 1.5, float(least), size))
            for most, least, size in zip(space.whole, space.smallest, drawn, strict=True)
        )
    )


def _drawn(space, numbers):
    shares = numbers / 2.0**32 + 0.5  # in [0, 1]: draws are rounded to float32
    layers, width, neurons, attention = tf.unstack(shares)
    width = _index(width, len(space.widths))
    fewest, most = (_at(ends, width) for ends in zip(*space.attention, strict=True))
    count = most - fewest + 1.0
    units = fewest + tf.minimum(tf.floor(attention * count), count - 1.0)
    heads, size = float(space.whole.heads), float(space.whole.head_size)
    return PartShape(
        _at(space.layers, _index(layers, len(space.layers))),
        _at(space.widths, width),
        _at(space.intermediates, _index(neurons, len(space.intermediates))),
        *((units, tf.constant(size)) if space.whole_heads else (tf.constant(heads), units)),
    )


def _at(sizes, index):
    return tf.gather(tf.constant(sizes, tf.float32), index)


def _index(share, count):
    return tf.cast(tf.minimum(tf.floor(share * count), count - 1.0), tf.int32)


def grid_part(space, width, depth):
    """The shape of a part of a grid.

    Args:
        space: `GridSpace`.
        width, depth: int32 scalars, its places.

    Returns:
        `SpreadShape` of float32 scalars.
    """
    heads, neurons = zip(*(sizes for sizes, _ in space.widths), strict=True)
    layers = [number for number, _ in space.depths]
    return SpreadShape(
        _at(layers, depth),
        tf.constant(float(space.whole.width)),
        _at(neurons, width),
        _at(heads, width),
        tf.constant(float(space.whole.head_size)),
    )


def train_parts(parts, config, teach, train, zeros, *, seed, step):
    """The gradients of all parts that a step trains.

    Args:
        parts: `PartRanges` or `PartGrid`.
        config: EncoderConfig of the whole student.
        teach: function of a `PartShape` to what its teachers say; of a grid it is called once for
            each width, with all layers.
        train: function of a `PartShape` and of what `teach` returned to (gradients, losses).
        zeros: function that returns zeros in the form of the gradients and losses.
        seed, step: as for `draw_part`.

    Returns:
        (sums of the gradients, dict of the means of the losses).
    """
    if isinstance(parts, PartGrid):
        space = parts.space(config)
        count = len(space.widths) * len(space.depths)

        def of_width(width):
            taught = teach(grid_part(space, width, 0))
            depths = len(space.depths)
            return _sum(lambda depth: train(grid_part(space, width, depth), taught), depths, zeros)

        gradients, losses = _sum(of_width, len(space.widths), zeros)
    else:
        count = parts_in_step(parts)

        def of_part(index):
            shape = draw_part(parts, config, seed=seed, step=step, index=index)
            return train(shape, teach(shape))

        gradients, losses = _sum(of_part, count, zeros)
    return gradients, {name: loss / count for name, loss in losses.items()}


def _sum(function, count, zeros):
    return sum_in_loop(function, count, zeros) if count > 1 else function(0)


def check_parts(phase, student):
    """Refuses a phase whose losses cannot compare parts of a student.

    Args:
        phase: a `Phase`.
        student: EncoderConfig of the whole student.

    Raises:
        UserError: a loss reads what parts do not have, or the ranges do not fit the student.
    """
    if phase.parts is None:
        return
    phase.parts.space(student)
    for term in phase.active_terms:
        loss = LOSSES[term.loss]
        reason = _reason_against(phase.parts, term, loss, student)
        if reason:
            raise UserError(f"`recipe`: parts of a student cannot learn {term.loss!r}: {reason}")


def _reason_against(ranges, term, loss, student):
    signals = set(loss.signals(**term.options))
    if isinstance(ranges, PartGrid):
        unfit = signals - HIDDEN - VOCABULARY_SIGNALS - {LOGITS}
        if unfit:
            return f"it reads {', '.join(sorted(unfit))}, of which parts have fewer"
        # A layer that a part lacks has no states to compare.
        return "parts lack layers: compare them by 'part_states'" if loss.compares_layers else ""
    logits = set() if loss.takes_projection else {LOGITS}  # vectors have the part's width
    unfit = signals - HIDDEN - ATTENTION - VOCABULARY_SIGNALS - logits
    if unfit:
        return f"it reads {', '.join(sorted(unfit))}, which only the whole student has"
    if signals & ATTENTION and ranges.whole_heads:
        return "it compares head by head, and parts have fewer heads: use `super_regime`=kd"
    if signals & HIDDEN and (not loss.takes_projection or term.projection == NONE):
        return "parts have other widths than the teacher, and the term has no projection"
    if loss.compares_layers:
        last = student.num_hidden_layers - 1
        pairs = term.layers if isinstance(term.layers, tuple) else ()
        if not pairs or any(pair[0] not in (-1, last) for pair in pairs):
            return "parts have their last layer alone in common: compare it, layers=((-1, -1),)"
    return ""
