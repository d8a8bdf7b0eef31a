"""TinyBERT's general distillation (Jiao et al., 2020, arXiv:1909.10351, section 3)."""

from tfdistill.distillation.phases import SHARED, Phase, Recipe, Term
from tfdistill.recipes.head import head_phases


def tinybert(layer_map="uniform", projection=SHARED, head_share=0.2):
    """Attention scores, hidden states and embeddings imitate the teacher's, layer by layer.

    The published losses reach no masked-LM head: the head learns from the text, alone, at the end.

    Args:
        layer_map: the teacher's layers (see `layer_maps.layer_map`).
        projection: the learned map to the teacher's width: "shared" by all layers (the paper's
            W_h, and W_e for the embeddings), "per_layer", or "none".
        head_share: share of the steps in which only the head learns; 0 for none.

    Returns:
        A `Recipe`.
    """
    terms = (
        Term("attention_scores", 1.0, layers=layer_map),
        Term("hidden", 1.0, layers=layer_map, projection=projection),
        Term("embedding", 1.0, projection=projection),
    )
    general = Phase("general", terms, share=1.0 - head_share)
    return Recipe("tinybert", (general, *head_phases(head_share)), source="arXiv:1909.10351")
