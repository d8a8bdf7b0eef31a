"""Smaller models inside a larger one: some of its layers, and the first units of each layer.

A model whose parts are trained as models of their own is a super-student (AutoTinyBERT, Yin et al.,
2021, section 3.2). `run_subnet` runs a part inside the large model, at the cost of the large one
but for its layers; `extract_subnet` makes the same part a model of its own.
"""

import numpy as np

from tfdistill.models.active_part import active_part, part_layers
from tfdistill.models.encoder import Encoder
from tfdistill.models.model import MaskedLanguageModel, Model
from tfdistill.models.part_shapes import require_parts


def run_subnet(whole, shape, inputs, **options):
    """Runs a part of a model.

    Gradients reach the weights of the part alone; those of all other weights are 0.

    Args:
        whole: `Model`, without a head or with one whose outputs do not depend on the width.
        shape: `PartShape`, of ints or of float32 scalars: shapes may differ between the calls of
            one compiled function.
        inputs: as `whole.call`.
        **options: as `whole.call`. Taps have the size of the whole model, with zeros behind the
            active units; those of the layers that are left out repeat the last active layer's.

    Returns:
        As `whole.call`. Logits are those of the part.

    Example:
        import tfdistill
        from tfdistill.models.part_shapes import PartShape
        from tfdistill.models.subnet import run_subnet

        whole = tfdistill.load_model("runs/mini/teacher")
        shape = PartShape(layers=1, width=64, intermediate=96, heads=1, head_size=64)
        logits = run_subnet(whole, shape, {"input_ids": [[2, 11, 4, 3]]})["logits"]
    """
    require_parts(whole.config)
    layers = part_layers(shape, whole.config.num_hidden_layers)
    with active_part(shape):
        return whole(inputs, keep_layers=layers, **options)


def extract_subnet(whole, shape):
    """Makes a part of a model a model of its own.

    Args:
        whole: `Model`, as for `run_subnet`.
        shape: `PartShape` of ints.

    Returns:
        `Model` of the same kind with copies of the part's weights, of float32. Of each attention
        head it has the first dimensions; it has no head for pairs of segments.

    Raises:
        UserError: see `PartShape.config`.

    Example:
        import tfdistill
        from tfdistill.models.part_shapes import PartShape
        from tfdistill.models.subnet import extract_subnet

        whole = tfdistill.load_model("runs/mini/teacher")
        shape = PartShape(layers=1, width=64, intermediate=96, heads=1, head_size=48)
        tfdistill.save_model(extract_subnet(whole, shape), "part")
    """
    config, head = shape.config(whole.config), whole.head
    if head is None or head.has_vocabulary:
        part = MaskedLanguageModel(config, with_head=head is not None, seed=None)
    else:
        part = Model(Encoder(config), head.fresh(config), seed=None)
    places = shape.layer_places(whole.config.num_hidden_layers)
    for variable, source, index in part_variables(whole, part, places):
        variable.assign(source.numpy()[index])
    return part


def part_variables(whole, part, layers=None):
    """The variables of a part, and where the whole model has their numbers.

    Args:
        whole: `Model`.
        part: `Model` whose config `PartShape.config` gave.
        layers: places of its layers in the whole model; None: the first.

    Returns:
        list of (variable of the part, variable of the whole, index of its numbers in NumPy's form).
    """
    pairs = [(whole.encoder.embeddings, part.encoder.embeddings)]
    places = range(len(part.encoder.blocks)) if layers is None else layers
    blocks = [whole.encoder.blocks[place] for place in places]
    pairs += zip(blocks, part.encoder.blocks, strict=True)
    if part.head is not None:
        pairs.append((whole.head, part.head))
    head_axes = {
        id(variable): axis
        for block in part.encoder.blocks
        for variable, axis in block.attention.head_axes()
    }
    sizes = part.config.num_attention_heads, part.config.head_size
    units = np.add.outer(np.arange(sizes[0]) * whole.config.head_size, np.arange(sizes[1]))
    found = []
    for theirs, ours in pairs:
        for source, variable in zip(theirs.variables, ours.variables, strict=True):
            axes = [np.arange(size) for size in variable.shape]
            if id(variable) in head_axes:
                axes[head_axes[id(variable)]] = units.reshape(-1)
            found.append((variable, source, np.ix_(*axes)))
    return found
