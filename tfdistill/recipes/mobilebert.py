"""MobileBERT's transfers (Sun et al., 2020, arXiv:2004.02984, sections 3.4 and 3.5)."""

import functools
import inspect

from tfdistill.distillation.phases import NONE, Phase, Recipe, Term

# Auxiliary: one sum. Joint: all layers at once, then the distillation. Progressive: one layer
# after the other, then the distillation. Each with the options that it has no use for.
TRANSFERS = {"akt": ("transfer_share", "lower_rate"), "jkt": ("lower_rate",), "pkt": ()}


def mobilebert(
    transfer,
    alpha=0.5,
    alpha_feature_map=100.0,
    alpha_feature_mean=5000.0,
    alpha_feature_variance=5.0,
    alpha_attention=1.0,
    layer_map="uniform",
    projection=NONE,
    transfer_share=0.5,
    lower_rate=0.1,
):
    """Layers imitate the teacher's feature maps and attention; masked LM learns from its answers.

    Args:
        transfer: one of `TRANSFERS`.
        alpha: share of the teacher's probabilities in the targets of the masked tokens.
        alpha_feature_map, alpha_feature_mean, alpha_feature_variance: weights of the distances of
            the layers' normalised feature maps, and of the means and variances that normalising
            takes away.
        alpha_attention: weight of the KL of attention maps; like the others a mean over layers.
        layer_map: the teacher's layers (see `layer_maps.layer_map`).
        projection: the learned map to the teacher's width, where widths differ.
        transfer_share: "jkt", "pkt": share of the steps in which the layers learn.
        lower_rate: "pkt": factor of the learning rate for what stands below the layer that learns,
            as in the authors' code; 0 freezes it.

    Returns:
        A `Recipe`.
    """
    layers = dict(layers=layer_map, over_layers="mean")
    imitation = (
        Term("feature_map", alpha_feature_map, projection=projection, **layers),
        Term("feature_mean", alpha_feature_mean, projection=projection, **layers),
        Term("feature_variance", alpha_feature_variance, projection=projection, **layers),
        Term("attention_maps", alpha_attention, **layers),
    )
    # Cross-entropy at the masked tokens with a mix of their labels and the teacher's softmax.
    soft = {"temperature": 1.0, "restrict_to_mask": True}
    answers = (Term("mlm", 1.0 - alpha), Term("soft_ce", alpha, soft))
    if transfer == "akt":
        phases = (Phase("distil", (*imitation, *answers)),)
    else:
        each = dict(each_layer=True, rates=(("below", lower_rate),)) if transfer == "pkt" else {}
        phases = (
            Phase("transfer", imitation, share=transfer_share, **each),
            Phase("distil", answers, share=1.0 - transfer_share),
        )
    return Recipe(f"mobilebert_{transfer}", phases, source="arXiv:2004.02984")


def by_transfer(transfer):
    """The recipe of one of `TRANSFERS`, a function of the options that it has a use for."""
    recipe = functools.partial(mobilebert, transfer)
    signature = inspect.signature(recipe)
    known = [p for name, p in signature.parameters.items() if name not in TRANSFERS[transfer]]
    recipe.__signature__ = signature.replace(parameters=known)
    return recipe
