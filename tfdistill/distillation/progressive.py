"""Phases that are taken once for each layer of a student."""

import dataclasses

from tfdistill.distillation.layer_maps import layer_map
from tfdistill.distillation.terms import LOSSES

BELOW = ("encoder/embeddings",)  # the first layer


def unfold(recipe, student_layers, teacher_layers):
    """Makes one phase for each layer out of those that ask for it.

    What such a phase trains is its layer; what it names beside that in `trainable` stays, and what
    stands below, the embeddings and the layers before, learns at the rates of "below" in `rates`,
    or not at all (Sun et al., 2020, MobileBERT, section 3.5).

    Args:
        recipe: a `Recipe`.
        student_layers, teacher_layers: ints.

    Returns:
        A `Recipe` without `each_layer`; the recipe itself where there is none.

    Raises:
        UserError: a layer map does not fit these depths.
    """
    phases = []
    for phase in recipe.phases:
        layers = range(student_layers) if phase.each_layer else ()
        phases += [_of_layer(phase, layer, student_layers, teacher_layers) for layer in layers]
        phases += [] if phase.each_layer else [phase]
    return dataclasses.replace(recipe, phases=tuple(phases))


def _of_layer(phase, layer, student_layers, teacher_layers):
    def compared(term):
        if not LOSSES[term.loss].of_layers:
            return term
        pairs = term.layers
        if isinstance(pairs, str):
            pairs = tuple(enumerate(layer_map(pairs, teacher_layers, student_layers)))
        return dataclasses.replace(term, layers=tuple(pair for pair in pairs if pair[0] == layer))

    below = (*BELOW, *(f"encoder/layer_{index}" for index in range(layer)))
    rate = dict(phase.rates).get("below", 0.0)
    own = f"encoder/layer_{layer}"
    return dataclasses.replace(
        phase,
        name=f"{phase.name}_{layer}",
        terms=tuple(compared(term) for term in phase.terms),
        share=phase.share / student_layers,
        trainable=(*(below if rate else ()), own, *phase.trainable),
        rates=tuple((part, rate) for part in below if rate),
        each_layer=False,
    )
