"""Low-rank approximations that make attention heads smaller.

The scores and the output of a head do not change under an invertible map of the queries with its
inverse on the keys, or of the values with its inverse on the output kernel. These maps are chosen
so that the relations x x^T of queries, keys and values stay close to those of the wide head, which
MiniLM's losses compare.
"""

import numpy as np

# Share of the largest eigenvalue; smaller eigenvalues are raised to it.
SMALLEST_EIGENVALUE = 1e-9
# Share of the largest singular value of the scores; directions below it are not rotated.
SMALLEST_SCORE = 1e-4


def score_maps(query_moment, key_covariance, size):
    """Linear maps of a head's queries and keys to fewer dimensions.

    Minimizes the mean of (q k - (q A)(k B))^2 over independent pairs, with C the second moment of
    the queries and D the covariance of the keys (the softmax ignores what all keys share): with
    U S V the singular value decomposition of C^1/2 D^1/2 cut to `size`, A = C^-1/2 U S^1/2 R and
    B = D^-1/2 V S^1/2 R^-T (Eckart & Young, 1936). R R^T is the geometric mean of the matrix with
    which A A^T is nearest to the identity, among queries, and that of B B^T, among keys.

    Args:
        query_moment, key_covariance: float64 (wide, wide), C and D.
        size: int, the narrow head size.

    Returns:
        (A, B), float64 (wide, size).
    """
    if not (query_moment.any() and key_covariance.any()):  # a pruned head
        return np.zeros((len(query_moment), size)), np.zeros((len(key_covariance), size))
    query_root, query_inverse = _roots(query_moment)
    key_root, key_inverse = _roots(key_covariance)
    left, singular, right = np.linalg.svd(query_root @ key_root)
    left, right, root = left[:, :size], right[:size].T, np.sqrt(singular[:size])
    turn, back = np.eye(root.size), np.eye(root.size)
    # Directions without variance have no relations to preserve.
    some = np.count_nonzero(singular[:size] > SMALLEST_SCORE * singular[0])
    scale = np.outer(root[:some], root[:some])
    of_queries = left[:, :some].T @ query_root @ query_root @ left[:, :some] / scale
    of_keys = right[:, :some].T @ key_root @ key_root @ right[:, :some] / scale
    mean = _geometric_mean(of_queries, np.linalg.inv(of_keys))
    turn[:some, :some], back[:some, :some] = _roots(mean)
    return query_inverse @ (left * root) @ turn, key_inverse @ (right * root) @ back


def value_maps(context_covariance, output, size):
    """Linear map of a head's values to fewer dimensions, and the output kernel that follows it.

    Minimizes the mean of |h W - h A O|^2 over the head's contexts h, which are weighted means of
    its values, so that the map applies to them too: with U S V the singular value decomposition of
    C^1/2 W cut to `size`, A = C^-1/2 U R and O = R^-1 S V, R the root of U^T C U, with which A A^T
    is nearest to the identity among the contexts.

    Args:
        context_covariance: float64 (wide, wide), C.
        output: (wide, hidden), W.
        size: int, the narrow head size.

    Returns:
        (A (wide, size), O (size, hidden)), float64.
    """
    root, inverse = _roots(context_covariance)
    left, singular, right = np.linalg.svd(root @ output, full_matrices=False)
    left = left[:, :size]
    turn, back = _roots(left.T @ context_covariance @ left)
    return inverse @ left @ turn, back @ (singular[:size, None] * right[:size])


def _geometric_mean(first, second):
    """Geometric mean of two symmetric positive matrices (Pusz & Woronowicz, 1975)."""
    root, inverse = _roots(first)
    return root @ _roots(inverse @ second @ inverse)[0] @ root


def _roots(moment):
    """C^1/2 and C^-1/2 of a symmetric C."""
    values, vectors = np.linalg.eigh(moment)
    floor = max(SMALLEST_EIGENVALUE * values[-1], np.finfo(np.float64).tiny)
    roots = np.sqrt(np.maximum(values, floor))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T
