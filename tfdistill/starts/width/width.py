"""A narrow model out of a wide one, by one of three methods."""

from tfdistill.models.model import MaskedLanguageModel
from tfdistill.starts.width.calibration import Text
from tfdistill.starts.width.importance import unit_importance
from tfdistill.starts.width.pca import narrow_by_components
from tfdistill.starts.width.selection import copy_units, first_units, largest_units


def narrowed(wide, config, method, calibration, seed):
    """Makes a model narrower.

    Args:
        wide: `MaskedLanguageModel` in float32.
        config: EncoderConfig: `wide`'s own but for the width of the stream, the heads, their size
            and the intermediate size, none of them larger.
        method: one of `compatibility.WIDTHS`: "slice", the first units; "importance", those that
            matter most to the loss; "pca", the principal components of the hidden states (see
            `width_pca`).
        calibration: list of training batches (see `Text`); "slice" needs none.
        seed: int, of what the importance draws where `wide` has no head.

    Returns:
        `MaskedLanguageModel`, with a head where `wide` has one.
    """
    narrow = MaskedLanguageModel(config, with_head=wide.head is not None, seed=None)
    if method == "slice":
        copy_units(wide, narrow, *first_units(config))
        return narrow
    text = Text(calibration)
    if method == "importance":
        copy_units(wide, narrow, *largest_units(config, *unit_importance(wide, text, seed)))
    else:
        narrow_by_components(wide, narrow, text)
    return narrow
