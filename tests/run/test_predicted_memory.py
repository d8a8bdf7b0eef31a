"""The estimate of a run's peak memory, against peaks that were measured."""

import pytest

from tfdistill.models.configs.config_files import named_config
from tfdistill.run.predicted_memory import ModelSize, StepSize, predicted_peak

GB = 1e9
STEP = dict(tokens=2048, lengths=1, vocabulary=30_522, sixteen_bits=False, remat=False)


def size(shape, parameters, length=64):
    return ModelSize.of(named_config(shape, "bert", 30_522), parameters, length)


def mini(**changes):
    """configs/mini.flags: a teacher and four students are trained, two models exported."""
    teacher, student = size("L-6_H-128_A-2", 5_180_000), size("L-2_H-128_A-2", 4_390_000)
    options = dict(
        labelled=False,
        trainings=[(teacher, ()), (student, [teacher])],
        step=StepSize(compiled=True, **STEP),
        models=[student],
        exports=[teacher, student],
        students=4,
    )
    return predicted_peak(**(options | changes))


def test_a_run_that_was_measured():
    """The run of README.md took 2.59 GB."""
    assert 2.59 * GB < mini() < 1.3 * 2.59 * GB


def test_a_row_of_bert_base_costs_what_the_doctor_measured():
    """58.5 MB for each row of 128 tokens, of a student of 6 of the 12 layers (PLATFORMS.md)."""
    teacher, student = (
        size(f"L-{n}_H-768_A-12", p, 128) for n, p in ((12, 110_000_000), (6, 67_000_000))
    )

    def peak(rows):
        step = StepSize(compiled=True, **{**STEP, "tokens": 128 * rows})
        return step.bytes_with(student, [teacher])

    row = (peak(12) - peak(6)) / 6
    assert 58.5e6 < row < 1.5 * 58.5e6
    fixed = predicted_peak(
        labelled=False,
        trainings=[(student, [teacher])],
        step=StepSize(compiled=True, **{**STEP, "tokens": 0}),
        models=[],
        exports=[],
        students=1,
    )
    assert 3.3 * GB < fixed < 1.4 * 3.3 * GB


@pytest.mark.parametrize(
    "change, of_step",
    [
        ({"exports": []}, {}),
        ({"students": 1}, {}),
        ({}, {"compiled": False}),
        ({}, {"remat": True}),
        ({}, {"tokens": 512}),
        ({}, {"sixteen_bits": True}),
        ({}, {"vocabulary": 0}),
    ],
    ids=str,
)
def test_less_work_needs_less(change, of_step):
    step = StepSize(**{**STEP, "compiled": True, **of_step})
    assert mini(step=step, **change) < mini()
    more = StepSize(compiled=True, signals=100_000, **STEP)
    assert mini(step=more) > mini() and mini(labelled=True) > mini()
