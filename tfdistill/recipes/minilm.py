"""MiniLM, both versions (Wang et al., 2020, arXiv:2002.10957; 2021, arXiv:2012.15828)."""

from typing import Annotated

from tfdistill.distillation.phases import ATTENTION_HEADS, Phase, Recipe, Term
from tfdistill.recipes.head import AFTER_LAST_RELATIONS, head_phases
from tfdistill.recipes.options import AttentionWeight, HeadShare, RelationLayer, RelationsWeight
from tfdistill.system.options import STEP, Option

LAST = -1


def minilm(
    alpha_relations: RelationsWeight = 1.0,
    relation_heads: Annotated[
        int,
        Option(
            "Heads of the relations; 0: the largest number up to 48 that divides both widths.",
            minimum=0,
            effect=STEP,
            scheduled=False,
        ),
    ] = 0,
    relation_layer: RelationLayer = LAST,
    head_share: HeadShare = 0.2,
):
    """MiniLMv2: relations of queries, keys and values between the tokens of one layer.

    The student may have any width, depth and number of heads. The loss does not reach the
    masked-LM head, nor the last layer after its queries, keys and values: in a last phase masked LM
    trains them.

    Args:
        alpha_relations: weight of the relations' KL.
        relation_heads: number of heads into which queries, keys and values are split anew; 0: the
            largest common divisor of both widths up to 48.
        relation_layer: the teacher's layer, from 0, or from -1 backwards. The paper takes the last
            layer of a base model, and an upper middle one of a large model.
        head_share: share of the steps of the last phase; 0 for none.

    Returns:
        A `Recipe`.
    """
    options = {"relations": ("queries", "keys", "values"), "relation_heads": relation_heads}
    terms = (Term("relations", alpha_relations, options, layers=((LAST, relation_layer),)),)
    phase = Phase("relations", terms, share=1.0 - head_share)
    return Recipe("minilm", (phase, *_end(head_share)), source="arXiv:2012.15828")


def minilm_v1(
    alpha_attention: AttentionWeight = 1.0,
    alpha_relations: RelationsWeight = 1.0,
    relation_layer: RelationLayer = LAST,
    head_share: HeadShare = 0.2,
):
    """MiniLM's first version: attention maps and value relations of the last layer.

    Teacher and student must have the same number of attention heads.

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
    return head_phases(share, below=AFTER_LAST_RELATIONS)
