"""Runs a smaller model on parts of a larger model's weights.

A model whose parts are trained as models of their own is a super-student (AutoTinyBERT, Yin et al.,
2021, section 3.2).
"""

import dataclasses

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.inputs import as_batch


def run_subnet(whole, part, layers, inputs, **options):
    """Runs a model with the first units of a larger model's layers in place of its own weights.

    Gradients reach the weights of the larger model. The weights of the smaller one are neither
    read nor changed.

    Args:
        whole: `Model`.
        part: `Model` whose config differs from that of `whole` in depth and in the `narrower`
            fields of the model type only. The head size must be the same.
        layers: indices of the layers of `whole` to run, one per layer of `part`.
        inputs: as `part.call`.
        **options: as `part.call`.

    Returns:
        As `part.call`.

    Raises:
        ValueError: the configs differ in another field.

    Example:
        import dataclasses

        import tfdistill
        from tfdistill.models.subnet import run_subnet

        whole = tfdistill.load_model("runs/mini/teacher")
        shape = dataclasses.replace(whole.config, num_hidden_layers=1, intermediate_size=64)
        part = tfdistill.MaskedLanguageModel(shape, seed=None)
        logits = run_subnet(whole, part, [0], {"input_ids": [[2, 11, 4, 3]]})["logits"]
    """
    _check_configs(whole.config, part.config)
    large, small = whole.encoder, part.encoder
    pairs = [(large.embeddings, small.embeddings)]
    pairs += [
        (large.blocks[index], block) for index, block in zip(layers, small.blocks, strict=True)
    ]
    if part.head is not None:
        pairs.append((whole.head, part.head))
    values = {
        id(target): source[tuple(slice(size) for size in target.shape)]
        for larger, smaller in pairs
        for source, target in zip(larger.variables, smaller.variables, strict=True)
    }
    trained, others = (
        [values[id(variable)] for variable in variables]
        for variables in (part.trainable_variables, part.non_trainable_variables)
    )
    batch = as_batch(inputs, part.config)
    return part.stateless_call(trained, others, batch, **options)[0]


def _check_configs(whole, part):
    free = ("num_hidden_layers", *get_model_type(whole.model_type).starts.narrower)
    names = [field.name for field in dataclasses.fields(whole) if field.name not in free]
    for name in (*names, "head_size"):
        if getattr(whole, name) != getattr(part, name):
            raise ValueError(f"{name} must be equal in both models")
