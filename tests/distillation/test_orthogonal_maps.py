"""Maps of vectors to another width that keep angles."""

import numpy as np
import pytest

from tfdistill.distillation.orthogonal_maps import fitted_map, random_map
from tfdistill.distillation.phases import ORTHOGONAL
from tfdistill.distillation.projections import Projections


def is_orthonormal(kernel):
    rows, columns = kernel.shape
    product = kernel @ kernel.T if rows <= columns else kernel.T @ kernel
    return np.allclose(product, np.eye(min(rows, columns)), atol=1e-5)


@pytest.mark.parametrize("widths", [(3, 5), (5, 3)])
def test_maps_keep_angles(widths):
    generator = np.random.default_rng(0)
    student, teacher = (generator.normal(size=(40, width)) for width in widths)
    for kernel in (random_map(widths, 1), fitted_map(student, teacher)):
        assert kernel.shape == widths and kernel.dtype == np.float32 and is_orthonormal(kernel)
    assert (random_map(widths, 1) == random_map(widths, 1)).all()
    assert (random_map(widths, 1) != random_map(widths, 2)).any()


def test_a_turned_student_is_turned_back():
    """Vectors of the teacher's first principal components in another basis."""
    generator = np.random.default_rng(1)
    teacher = generator.normal(size=(60, 6)) * [5, 4, 3, 0.1, 0.1, 0.1] @ random_map((6, 6), 3)
    basis = np.linalg.svd(teacher)[2][:3]
    student = teacher @ basis.T @ random_map((3, 3), 4)
    projected = student @ fitted_map(student, teacher)
    np.testing.assert_allclose(projected, teacher @ basis.T @ basis, atol=1e-4)
    wide = student @ random_map((3, 8), 5)
    np.testing.assert_allclose(wide @ fitted_map(wide, student), student, atol=1e-4)


def test_projections_of_a_term():
    made = Projections(ORTHOGONAL, 0, (4, 6), "vectors", seed=2)
    (layer,) = made.layers
    assert made.orthogonal is layer and not layer.trainable
    assert is_orthonormal(layer.kernel.numpy()) and not layer.bias.numpy().any()
    assert made(0, np.ones((2, 4), np.float32)).shape == (2, 6)
    same = Projections(ORTHOGONAL, 0, (6, 6), "vectors", seed=2)
    assert same.layers == [] and same.orthogonal is None
