"""MiniLM, both versions (Wang et al., 2020, arXiv:2002.10957; 2021, arXiv:2012.15828)."""

from tfdistill.distillation.phases import ATTENTION_HEADS, Phase, Recipe, Term
from tfdistill.recipes.head import BEHIND_LAST_RELATIONS, head_phases

LAST = -1


def minilm(alpha_relations=1.0, relation_heads=0, relation_layer=LAST, head_share=0.2):
    """MiniLMv2: the student's last layer relates its tokens as a layer of the teacher does.

    Any width, depth and number of heads will do. The loss reaches neither what comes after the last
    layer's queries, keys and values nor a masked-LM head: they learn from the text at the end.

    Args:
        alpha_relations: weight of the relations' KL.
        relation_heads: heads that queries, keys and values are split into again; 0: the largest
            common divisor of both widths up to 48.
        relation_layer: the teacher's layer, from 0, or from -1 backwards. The paper takes the last
            of a base model, and of a large one an upper middle one.
        head_share: share of the steps in which only what the loss does not reach learns; 0 for
            none.

    Returns:
        A `Recipe`.
    """
    options = {"relations": ("queries", "keys", "values"), "relation_heads": relation_heads}
    terms = (Term("relations", alpha_relations, options, layers=((LAST, relation_layer),)),)
    phase = Phase("relations", terms, share=1.0 - head_share)
    return Recipe("minilm", (phase, *_end(head_share)), source="arXiv:2012.15828")


def minilm_v1(alpha_attention=1.0, alpha_relations=1.0, relation_layer=LAST, head_share=0.2):
    """MiniLM's first version: attention maps and value relations of the last layer.

    Teacher and student need as many attention heads.

    Args:
        alpha_attention, alpha_relations: weights of the two terms.
        relation_layer, head_share: as for `minilm`.

    Returns:
        A `Recipe`.
    """
    layers = ((LAST, relation_layer),)
    values = {"relations": ("values",), "relation_heads": ATTENTION_HEADS}
    terms = (
        Term("attention_maps", alpha_attention, layers=layers),
        Term("relations", alpha_relations, values, layers=layers),
    )
    phase = Phase("relations", terms, share=1.0 - head_share)
    return Recipe("minilm_v1", (phase, *_end(head_share)), source="arXiv:2002.10957")


def _end(share):
    return head_phases(share, below=BEHIND_LAST_RELATIONS)
