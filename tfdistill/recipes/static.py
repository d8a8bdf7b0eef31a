"""Static students, which have a vector for each token and no layers (Model2Vec).

The paper behind the start's frequency weights is Arora et al. (2017); the training is that of the
recipes `sentence` and `kd`.
"""

from collections.abc import Mapping

from tfdistill.distillation.phases import Recipe
from tfdistill.recipes.kd import MASKED_LM, kd
from tfdistill.recipes.options import (
    SimilaritiesWeight,
    TeacherShare,
    Temperature,
    VectorsMseWeight,
    VectorsWeight,
)
from tfdistill.recipes.sentence import sentence


def static(
    alpha_vectors: VectorsWeight = 1.0,
    alpha_vectors_mse: VectorsMseWeight = 0.0,
    alpha_similarities: SimilaritiesWeight = 10.0,
    alpha: TeacherShare = 0.5,
    temperature: Temperature = 2.0,
    task_losses: Mapping = MASKED_LM,
):
    """The teacher's vectors of texts, or for a task with labels its predictions.

    Args:
        alpha_vectors, alpha_vectors_mse, alpha_similarities: for sentence encoders; as for
            `sentence`.
        alpha, temperature: for tasks with labels; as for `kd`.
        task_losses: as for `kd`; empty for a sentence encoder.

    Returns:
        A `Recipe` of one phase.
    """
    if task_losses:
        phases = kd(alpha, temperature, task_losses=task_losses).phases
    else:
        phases = sentence(alpha_vectors, alpha_vectors_mse, alpha_similarities).phases
    return Recipe("static", phases, source="arXiv:2004.09813")
