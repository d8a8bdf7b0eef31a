"""TinyBERT's general distillation (Jiao et al., 2020, arXiv:1909.10351, section 3)."""

from tfdistill.distillation.phases import SHARED, Phase, Recipe, Term
from tfdistill.recipes.head import head_phases
from tfdistill.recipes.options import (
    AttentionWeight,
    EmbeddingWeight,
    HeadShare,
    HiddenWeight,
    LayerMap,
    Projection,
)


def tinybert(
    alpha_attention: AttentionWeight = 1.0,
    alpha_hidden: HiddenWeight = 1.0,
    alpha_embedding: EmbeddingWeight = 1.0,
    layer_map: LayerMap = "uniform",
    projection: Projection = SHARED,
    head_share: HeadShare = 0.2,
):
    """Attention scores, hidden states and embeddings imitate the teacher's, layer by layer.

    The published losses do not reach the masked-LM head: in a last phase only the head learns, by
    masked LM.

    Args:
        alpha_attention, alpha_hidden, alpha_embedding: weights of the three terms.
        layer_map: the teacher's layers (see `layer_maps.layer_map`).
        projection: the learned map to the teacher's width: "shared" by all layers (the paper's
            W_h, and W_e for the embeddings), "per_layer", "fixed" or "none".
        head_share: share of the steps in which only the head learns; 0 for none.

    Returns:
        A `Recipe`.
    """
    terms = layer_terms(alpha_attention, alpha_hidden, alpha_embedding, layer_map, projection)
    general = Phase("general", terms, share=1.0 - head_share)
    return Recipe("tinybert", (general, *head_phases(head_share)), source="arXiv:1909.10351")


def layer_terms(attention, hidden, embedding, layer_map, projection):
    """The terms that compare layers and embeddings (equations 7 to 9).

    Args:
        attention, hidden, embedding: weights of the terms.
        layer_map, projection: as for `tinybert`.

    Returns:
        tuple of `Term`.
    """
    return (
        Term("attention_scores", attention, layers=layer_map),
        Term("hidden", hidden, layers=layer_map, projection=projection),
        Term("embedding", embedding, projection=projection),
    )
