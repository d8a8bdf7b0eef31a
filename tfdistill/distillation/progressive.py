"""Progressive transfer: phases that are repeated for each layer of a student."""

import dataclasses

from tfdistill.distillation.layer_maps import layer_map
from tfdistill.distillation.losses import LOSSES


def unfold(recipe, student_layers, teacher_layers):
    """Replaces each phase with `each_layer` by one phase per layer of the student.

    Such a phase compares and trains its own layer, and trains the parts in `trainable`. The
    embeddings and the layers below learn at `lower_rate`, or not at all (Sun et al., 2020,
    MobileBERT, section 3.5).

    Args:
        recipe: a `Recipe`.
        student_layers, teacher_layers: numbers of layers.

    Returns:
        A `Recipe` without `each_layer`.

    Raises:
        UserError: a layer map does not fit these depths.
    """
    phases = []
    for phase in recipe.phases:
        if phase.each_layer:
            layers = range(student_layers)
            phases += [_of_layer(phase, layer, student_layers, teacher_layers) for layer in layers]
        else:
            phases.append(phase)
    return dataclasses.replace(recipe, phases=tuple(phases))


def _of_layer(phase, layer, student_layers, teacher_layers):
    """The phase for one layer of the student."""

    def term_of_layer(term):
        if not LOSSES[term.loss].compares_layers:
            return term
        pairs = term.layers
        if isinstance(pairs, str):
            pairs = tuple(enumerate(layer_map(pairs, teacher_layers, student_layers)))
        return dataclasses.replace(term, layers=tuple(pair for pair in pairs if pair[0] == layer))

    below = ()
    if phase.lower_rate:
        below = "encoder/embeddings", *(f"encoder/layer_{index}" for index in range(layer))
    return dataclasses.replace(
        phase,
        name=f"{phase.name}_{layer}",
        terms=tuple(term_of_layer(term) for term in phase.terms),
        share=phase.share / student_layers,
        trainable=(*below, f"encoder/layer_{layer}", *phase.trainable),
        rates=tuple((part, phase.lower_rate) for part in below),
        each_layer=False,
        lower_rate=0.0,
    )
