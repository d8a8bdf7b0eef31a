"""MobileBERT's transfers (Sun et al., 2020, arXiv:2004.02984, sections 3.4 and 3.5).

All three share their losses. The student's layers imitate the teacher's feature maps and attention;
the student's predictions learn from their labels and the teacher's softmax: of the masked tokens,
as published, or of a task with labels.
"""

from collections.abc import Mapping
from typing import Annotated

from tfdistill.distillation.phases import NONE, Phase, Recipe, Term
from tfdistill.recipes.kd import MASKED_LM, predictions_term
from tfdistill.recipes.options import (
    AttentionWeight,
    LayerMap,
    Projection,
    TeacherShare,
    TransferShare,
    weight,
)
from tfdistill.system.options import Option

SOURCE = "arXiv:2004.02984"
FeatureMapWeight = Annotated[float, weight("the distance of the normalised feature maps")]
FeatureMeanWeight = Annotated[float, weight("the distance of the feature maps' means")]
FeatureVarianceWeight = Annotated[float, weight("the distance of the feature maps' variances")]


def mobilebert_akt(
    alpha: TeacherShare = 0.5,
    alpha_feature_map: FeatureMapWeight = 100.0,
    alpha_feature_mean: FeatureMeanWeight = 5000.0,
    alpha_feature_variance: FeatureVarianceWeight = 5.0,
    alpha_attention: AttentionWeight = 1.0,
    layer_map: LayerMap = "uniform",
    projection: Projection = NONE,
    task_losses: Mapping = MASKED_LM,
):
    """Auxiliary knowledge transfer: all losses in one sum.

    Args:
        alpha: share of the teacher's probabilities in the targets of the masked tokens.
        alpha_feature_map: weight of the distance of the layers' normalised feature maps.
        alpha_feature_mean, alpha_feature_variance: weights of the distances of the means and
            variances that the normalisation removes.
        alpha_attention: weight of the KL of the attention maps, a mean over layers like the others.
        layer_map: the teacher's layers (see `layer_maps.layer_map`).
        projection: the learned map to the teacher's width, if the widths differ.
        task_losses: as for `kd`.

    Returns:
        A `Recipe` of one phase.
    """
    features = alpha_feature_map, alpha_feature_mean, alpha_feature_variance
    layers = _layer_terms(*features, alpha_attention, layer_map, projection)
    phase = Phase("distil", (*layers, *_prediction_terms(alpha, task_losses)))
    return Recipe("mobilebert_akt", (phase,), source=SOURCE)


def mobilebert_jkt(
    alpha: TeacherShare = 0.5,
    alpha_feature_map: FeatureMapWeight = 100.0,
    alpha_feature_mean: FeatureMeanWeight = 5000.0,
    alpha_feature_variance: FeatureVarianceWeight = 5.0,
    alpha_attention: AttentionWeight = 1.0,
    layer_map: LayerMap = "uniform",
    projection: Projection = NONE,
    transfer_share: TransferShare = 0.5,
    task_losses: Mapping = MASKED_LM,
):
    """Joint knowledge transfer: all layers imitate the teacher's, then the predictions learn.

    Args:
        alpha, alpha_feature_map, alpha_feature_mean, alpha_feature_variance, alpha_attention,
            layer_map, projection, task_losses: as for `mobilebert_akt`.
        transfer_share: share of the steps in which the layers learn.

    Returns:
        A `Recipe` of two phases.
    """
    features = alpha_feature_map, alpha_feature_mean, alpha_feature_variance
    layers = _layer_terms(*features, alpha_attention, layer_map, projection)
    transfer = Phase("transfer", layers, share=transfer_share)
    distil = Phase("distil", _prediction_terms(alpha, task_losses), share=1.0 - transfer_share)
    return Recipe("mobilebert_jkt", (transfer, distil), source=SOURCE)


def mobilebert_pkt(
    alpha: TeacherShare = 0.5,
    alpha_feature_map: FeatureMapWeight = 100.0,
    alpha_feature_mean: FeatureMeanWeight = 5000.0,
    alpha_feature_variance: FeatureVarianceWeight = 5.0,
    alpha_attention: AttentionWeight = 1.0,
    layer_map: LayerMap = "uniform",
    projection: Projection = NONE,
    transfer_share: TransferShare = 0.5,
    lower_rate: Annotated[
        float,
        Option(
            "Factor of the learning rate below the layer that learns; 0 freezes those layers.",
            minimum=0.0,
            maximum=1.0,
            scheduled=False,
        ),
    ] = 0.1,
    task_losses: Mapping = MASKED_LM,
):
    """Progressive knowledge transfer: one layer after the other, then the predictions.

    Args:
        alpha, alpha_feature_map, alpha_feature_mean, alpha_feature_variance, alpha_attention,
            layer_map, projection, transfer_share, task_losses: as for `mobilebert_jkt`.
        lower_rate: factor of the learning rate below the layer that learns, as in the authors'
            code; 0 freezes those layers.

    Returns:
        A `Recipe` of a phase for each layer, and one for the predictions.
    """
    features = alpha_feature_map, alpha_feature_mean, alpha_feature_variance
    layers = _layer_terms(*features, alpha_attention, layer_map, projection)
    each = dict(each_layer=True, lower_rate=lower_rate)
    transfer = Phase("transfer", layers, share=transfer_share, **each)
    distil = Phase("distil", _prediction_terms(alpha, task_losses), share=1.0 - transfer_share)
    return Recipe("mobilebert_pkt", (transfer, distil), source=SOURCE)


def _layer_terms(feature_map, feature_mean, feature_variance, attention, layer_map, projection):
    """Returns the terms of layers, given their weights."""
    layers = dict(layers=layer_map, over_layers="mean")
    return (
        Term("feature_map", feature_map, projection=projection, **layers),
        Term("feature_mean", feature_mean, projection=projection, **layers),
        Term("feature_variance", feature_variance, projection=projection, **layers),
        Term("attention_maps", attention, **layers),
    )


def _prediction_terms(alpha, task_losses):
    """Cross-entropy with a mix of labels and the teacher's softmax, at the masked tokens.

    A task with labels has its own losses: its cross-entropy, and the KL at temperature 1, which
    differs from the cross-entropy with the teacher's softmax by a constant.
    """
    if task_losses != MASKED_LM:
        labels = Term(task_losses["labels"], 1.0 - alpha)
        return labels, predictions_term(task_losses, alpha, temperature=1.0)
    soft = {"temperature": 1.0, "restrict_to_mask": True}
    return Term("mlm", 1.0 - alpha), Term("soft_ce", alpha, soft)
