"""A sentence encoder's vectors of texts (Reimers and Gurevych, 2020, arXiv:2004.09813)."""

from tfdistill.distillation.phases import ORTHOGONAL, Phase, Recipe, Term
from tfdistill.recipes.options import SimilaritiesWeight, VectorsMseWeight, VectorsWeight


def sentence(
    alpha_vectors: VectorsWeight = 1.0,
    alpha_vectors_mse: VectorsMseWeight = 0.0,
    alpha_similarities: SimilaritiesWeight = 10.0,
):
    """The student's vector of a text is that of the teacher, and so are cosines between texts.

    The paper has the squared distance alone, which is twice 1 - cosine for vectors of length 1.

    Args:
        alpha_vectors: weight of 1 - cosine of student's and teacher's vector.
        alpha_vectors_mse: weight of their squared distance, for teachers whose vectors have other
            lengths than 1.
        alpha_similarities: weight of the squared distance of the cosines in a batch.

    Returns:
        A `Recipe` of one phase.
    """
    terms = (
        Term("vector_cosine", alpha_vectors, projection=ORTHOGONAL),
        Term("vector_mse", alpha_vectors_mse, projection=ORTHOGONAL),
        Term("similarities", alpha_similarities),
    )
    return Recipe("sentence", (Phase("vectors", terms),), source="arXiv:2004.09813")
