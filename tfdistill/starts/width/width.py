"""Makes a narrow model from a wide one, by one of several methods."""

from tfdistill.models.model import MaskedLanguageModel
from tfdistill.starts.width.calibration import Text
from tfdistill.starts.width.importance import unit_importance
from tfdistill.starts.width.pca import narrow_by_components
from tfdistill.starts.width.selection import copy_units, first_units, largest_units


def narrowed(wide, config, method, calibration, seed):
    """Makes a model narrower.

    Args:
        wide: `MaskedLanguageModel` in float32.
        config: EncoderConfig of the narrow model. Compared with `wide`, the hidden size, the number
            and size of heads and the intermediate size may be smaller.
        method: one of `compatibility.WIDTHS`: "slice", the first units; "importance", the units
            that matter most to the loss; "pca", principal components of the hidden states (see
            `width.pca`); "pca_sorted", the same model with its most important units first.
        calibration: list of training batches (see `Text`); not used by "slice".
        seed: int, for "importance" and "pca_sorted" without a head.

    Returns:
        `MaskedLanguageModel`, with a head if `wide` has one.
    """
    narrow = MaskedLanguageModel(config, with_head=wide.head is not None, seed=None)
    if method == "slice":
        copy_units(wide, narrow, *first_units(config))
        return narrow
    text = Text(calibration)
    if method == "importance":
        copy_units(wide, narrow, *largest_units(config, *unit_importance(wide, text, seed)))
        return narrow
    narrow_by_components(wide, narrow, text)
    if method == "pca":
        return narrow
    ordered = MaskedLanguageModel(config, with_head=wide.head is not None, seed=None)
    copy_units(narrow, ordered, *largest_units(config, *unit_importance(narrow, text, seed)))
    return ordered
