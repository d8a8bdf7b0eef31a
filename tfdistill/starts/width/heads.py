"""Smaller attention heads that keep as much of the scores and of the output as they can.

Scores and output leave a head's coordinates open: queries may take any invertible map whose inverse
the keys take, and values one whose inverse the output takes. It is chosen so that queries, keys and
values relate to each other (x x^T) as the wide ones do, which is what MiniLM's losses compare.
"""

import numpy as np

# Of the largest eigenvalue: directions with less variance are taken as having this much.
SMALLEST_EIGENVALUE = 1e-9
# Of the largest part of the scores: what is below it is that floor's, or next to nothing.
SMALLEST_SCORE = 1e-4


def score_maps(query_moment, key_covariance, size):
    """Linear maps of a head's queries and keys to fewer dimensions.

    Minimises the mean of (q k - (q A)(k B))^2 over independent pairs, with C the second moment of
    the queries and D the covariance of the keys (what all keys share, softmax does not see): with
    U S V the singular value decomposition of C^1/2 D^1/2 cut to `size`, A = C^-1/2 U S^1/2 R and
    B = D^-1/2 V S^1/2 R^-T (Eckart & Young, 1936). R R^T is the geometric mean of the matrix with
    which A A^T is nearest to the identity, among queries, and that of B B^T, among keys.

    Args:
        query_moment, key_covariance: float64 (wide, wide), C and D.
        size: int, the narrow head size.

    Returns:
        (A, B), float64 (wide, size).
    """
    if not (query_moment.any() and key_covariance.any()):  # as of a head that was pruned
        return np.zeros((len(query_moment), size)), np.zeros((len(key_covariance), size))
    query_root, query_inverse = _roots(query_moment)
    key_root, key_inverse = _roots(key_covariance)
    left, singular, right = np.linalg.svd(query_root @ key_root)
    left, right, root = left[:, :size], right[:size].T, np.sqrt(singular[:size])
    turn, back = np.eye(root.size), np.eye(root.size)
    # Of directions that carry nothing there is no relation to keep.
    some = np.count_nonzero(singular[:size] > SMALLEST_SCORE * singular[0])
    scale = np.outer(root[:some], root[:some])
    of_queries = left[:, :some].T @ query_root @ query_root @ left[:, :some] / scale
    of_keys = right[:, :some].T @ key_root @ key_root @ right[:, :some] / scale
    mean = _geometric_mean(of_queries, np.linalg.inv(of_keys))
    turn[:some, :some], back[:some, :some] = _roots(mean)
    return query_inverse @ (left * root) @ turn, key_inverse @ (right * root) @ back


def value_maps(context_covariance, output, size):
    """A linear map of a head's values to fewer dimensions, and the output kernel behind it.

    Minimises the mean of |h W - h A O|^2 over the head's contexts h, which are weighted means of
    its values and so take the same map: with U S V the singular value decomposition of C^1/2 W cut
    to `size`, A = C^-1/2 U R and O = R^-1 S V, R the root of U^T C U, with which A A^T is nearest
    to the identity among the contexts.

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
    """Of two symmetric positive matrices (Pusz & Woronowicz, 1975)."""
    root, inverse = _roots(first)
    return root @ _roots(inverse @ second @ inverse)[0] @ root


def _roots(moment):
    """C^1/2 and C^-1/2 of a symmetric C."""
    values, vectors = np.linalg.eigh(moment)
    floor = max(SMALLEST_EIGENVALUE * values[-1], np.finfo(np.float64).tiny)
    roots = np.sqrt(np.maximum(values, floor))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T
