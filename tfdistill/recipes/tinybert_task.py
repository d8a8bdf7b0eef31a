"""TinyBERT's distillation for a task (Jiao et al., 2020, arXiv:1909.10351, section 3)."""

from collections.abc import Mapping

from tfdistill.distillation.phases import SHARED, Phase, Recipe
from tfdistill.recipes.kd import MASKED_LM, predictions_term
from tfdistill.recipes.options import (
    AttentionWeight,
    EmbeddingWeight,
    HiddenWeight,
    LayerMap,
    Projection,
    TransferShare,
)
from tfdistill.recipes.tinybert import layer_terms

# The authors' rates are 5e-5 for the layers and 3e-5 for the predictions.
PREDICTION_RATE = 0.6


def tinybert_task(
    alpha_attention: AttentionWeight = 1.0,
    alpha_hidden: HiddenWeight = 1.0,
    alpha_embedding: EmbeddingWeight = 1.0,
    layer_map: LayerMap = "uniform",
    projection: Projection = SHARED,
    transfer_share: TransferShare = 0.5,
    task_losses: Mapping = MASKED_LM,
):
    """The layers imitate those of the task's teacher; then the predictions imitate its predictions.

    The first phase has a constant learning rate and trains the encoder alone. The head is as it was
    at the start, so the validation split is measured in the second phase only. The second phase
    learns from the teacher's probabilities and not from labels: KL at temperature 1, which has the
    gradient of the published soft cross-entropy. Of a task whose models give numbers, it is the
    squared distance from the teacher's numbers.

    Args:
        alpha_attention, alpha_hidden, alpha_embedding, layer_map, projection: as for `tinybert`.
        transfer_share: share of the steps in which the layers learn.
        task_losses: the task's names of losses, as for `recipes.kd`.

    Returns:
        A `Recipe`.
    """
    terms = layer_terms(alpha_attention, alpha_hidden, alpha_embedding, layer_map, projection)
    intermediate = Phase(
        "intermediate",
        terms,
        share=transfer_share,
        trainable=("encoder",),
        constant_rate=True,
        measured=False,
    )
    prediction = Phase(
        "prediction",
        (predictions_term(task_losses, 1.0, temperature=1.0),),
        share=1.0 - transfer_share,
        learning_rate=PREDICTION_RATE,
    )
    return Recipe("tinybert_task", (intermediate, prediction), source="arXiv:1909.10351")
