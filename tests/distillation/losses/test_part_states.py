"""Hidden states of parts, against NumPy."""

import numpy as np
import pytest

from tfdistill.distillation.bound_terms import check_phase
from tfdistill.distillation.losses.part_states import part_states_mse
from tfdistill.distillation.phases import Phase, Term
from tfdistill.models.part_grid import PartGrid
from tfdistill.system.errors import UserError


@pytest.mark.parametrize("active", [None, [1, 0, 1, 0]], ids=["all layers", "two layers"])
def test_states_that_active_layers_read_are_compared(active):
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 5, 3, 4, 6)).astype(np.float32)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    expected = 0.0
    for place in range(5):
        if place == 4 or active is None or active[place]:
            squares = ((student[place] - teacher[place]) ** 2).mean(axis=-1)
            expected += (squares * mask).sum() / 7
    given = None if active is None else np.array(active, np.float32)
    states = dict(student_states=list(student), teacher_states=list(teacher))
    found = part_states_mse(**states, mask=mask, active=given)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    half = part_states_mse(**states, mask=mask, active=given, normalizer=14.0)
    np.testing.assert_allclose(half, expected / 2, rtol=1e-5)


@pytest.mark.parametrize("change", [dict(num_hidden_layers=3), dict(hidden_size=24)])
def test_a_student_of_another_shape_is_refused(change, tiny_model):
    phase = Phase("width", (Term("part_states", 1.0),), parts=PartGrid())
    student, teacher = tiny_model().config, tiny_model(**change).config
    check_phase(phase, student, student)
    with pytest.raises(UserError, match=f"student_config.* {next(iter(change))} is .*leave"):
        check_phase(phase, student, teacher)
