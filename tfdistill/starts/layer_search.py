"""Search for the teacher layers that work best without the others."""

import itertools
import math

EXHAUSTIVE_SUBSETS = 100  # with more subsets, layers are removed greedily


def search_layers(teacher_layers, student_layers, validation_loss):
    """Finds the subset of the teacher's layers with the lowest loss when the rest are skipped.

    Tries all subsets if there are at most `EXHAUSTIVE_SUBSETS`. Otherwise it removes layers one
    at a time, each time the one whose absence costs least: pruning by validation, as in Fan et
    al. (2019, section 3.2), but backwards. Of equal losses the first subset wins.

    Args:
        teacher_layers: int, N.
        student_layers: int, r <= N.
        validation_loss: function of a tuple of layer indices to a float.

    Returns:
        tuple of r layer indices in rising order.

    Raises:
        ValueError: there is no `validation_loss`.
    """
    if validation_loss is None:
        raise ValueError('init="search" needs a validation_loss')
    chosen = tuple(range(teacher_layers))
    if math.comb(teacher_layers, student_layers) <= EXHAUSTIVE_SUBSETS:
        return min(itertools.combinations(chosen, student_layers), key=validation_loss)
    while len(chosen) > student_layers:
        shorter = [chosen[:index] + chosen[index + 1 :] for index in range(len(chosen))]
        chosen = min(shorter, key=validation_loss)
    return chosen


def search_size(teacher_layers, student_layers):
    """Number of subsets that `search_layers` tries.

    Args:
        teacher_layers, student_layers: as for `search_layers`.

    Returns:
        int.
    """
    subsets = math.comb(teacher_layers, student_layers)
    if subsets <= EXHAUSTIVE_SUBSETS:
        return subsets
    return sum(range(student_layers + 1, teacher_layers + 1))
