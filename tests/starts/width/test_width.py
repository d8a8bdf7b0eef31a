import dataclasses

import keras
import numpy as np
import pytest

from tfdistill.models.model import MaskedLanguageModel
from tfdistill.starts.compatibility import WIDTHS, choose_layers
from tfdistill.starts.from_teacher import DEFAULT_WIDTH, SORTED, initialize_student
from tfdistill.starts.width.calibration import Text
from tfdistill.starts.width.importance import unit_importance
from tfdistill.system.errors import UserError

# The last one is another with its units in another order.
METHODS = [*WIDTHS[:-1], pytest.param(WIDTHS[-1], marks=pytest.mark.slow)]


@pytest.fixture
def batches(tiny_batch):
    return [tiny_batch([10, 7, 4, 10, 9, 10] * 4, seed=seed) for seed in (1, 2)]


def weights(model):
    return {variable.path: variable.numpy() for variable in model.weights}


def assert_equal(first, second):
    assert weights(first).keys() == weights(second).keys()
    for path, array in weights(first).items():
        np.testing.assert_array_equal(array, weights(second)[path], err_msg=path)


@pytest.mark.parametrize("width", [width for width in WIDTHS if width != SORTED])
def test_a_student_as_wide_as_its_teacher_is_copied(width, tiny_model):
    teacher = tiny_model(num_hidden_layers=3)
    config = dataclasses.replace(teacher.config, num_hidden_layers=2)
    student = initialize_student(teacher, config, init=f"0,2:{width}")
    assert_equal(student, initialize_student(teacher, config, init="0,2"))


@pytest.mark.parametrize("width", METHODS)
@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": 6, "num_attention_heads": 1},
        {"hidden_size": 4, "num_attention_heads": 1, "intermediate_size": 7},
        {"intermediate_size": 7},
        {"attention_head_size": 4},
    ],
)
def test_every_narrower_shape_can_be_made(changes, width, tiny_model, batches):
    teacher = tiny_model()
    config = dataclasses.replace(teacher.config, **changes)
    student = initialize_student(teacher, config, init=f"first:{width}", calibration=batches)
    assert student.config == config and student.head is not None
    assert all(np.isfinite(array).all() for array in weights(student).values())


def test_sorted_components_are_the_same_model_with_the_most_important_units_first(
    tiny_model, batches
):
    teacher = tiny_model()
    config = dataclasses.replace(teacher.config, hidden_size=8, intermediate_size=14)
    unsorted, ordered = (
        initialize_student(teacher, config, init=f"first:{width}", calibration=batches)
        for width in ("pca", "pca_sorted")
    )
    batch = batches[0]
    np.testing.assert_allclose(ordered(batch)["logits"], unsorted(batch)["logits"], atol=1e-4)
    stream, layers = unit_importance(ordered, Text(batches), seed=0)
    for units in (stream, *(layer.heads for layer in layers), *(layer.neurons for layer in layers)):
        assert (np.diff(units) <= 1e-4 * units.max()).all()
    before, _ = unit_importance(unsorted, Text(batches), seed=0)
    assert (np.diff(before) > 0).any()


def test_the_default_width_method(tiny_model, batches):
    teacher = tiny_model()
    config = dataclasses.replace(teacher.config, hidden_size=8)
    named, unnamed = (
        initialize_student(teacher, config, init=init, calibration=batches)
        for init in (f"first:{DEFAULT_WIDTH}", "first")
    )
    assert_equal(named, unnamed)


def test_a_layer_search_can_have_a_width_method(tiny_model):
    teacher = tiny_model(num_hidden_layers=3)
    config = dataclasses.replace(teacher.config, num_hidden_layers=1, hidden_size=8)
    loss = {(0,): 3.0, (1,): 1.0, (2,): 2.0}.get
    start = dict(validation_loss=loss)
    assert choose_layers(teacher.config, config, "search:slice", **start) == (1,)
    found = initialize_student(teacher, config, init="search:slice", **start)
    assert_equal(found, initialize_student(teacher, config, init="1:slice"))


@pytest.mark.parametrize("width", METHODS)
def test_a_narrow_distilbert_adds_token_type_0_to_its_positions(width, tiny_model, batches):
    """The DistilBERT student's positions are a BERT student's positions plus token type 0."""
    teacher = tiny_model()
    bert = dataclasses.replace(teacher.config, hidden_size=8)
    distilbert = dataclasses.replace(bert, model_type="distilbert", type_vocab_size=0)
    first, second = (
        initialize_student(teacher, config, init=f"first:{width}", calibration=batches)
        for config in (bert, distilbert)
    )
    np.testing.assert_allclose(second(batches[0])["logits"], first(batches[0])["logits"], atol=2e-3)


@pytest.mark.parametrize("width", METHODS)
def test_a_fresh_head_for_the_student_of_a_teacher_without_head(width, tiny_model, batches):
    teacher = tiny_model(with_head=False)
    config = dataclasses.replace(teacher.config, hidden_size=8)
    start = dict(init=f"first:{width}", calibration=batches)
    headless = initialize_student(teacher, config, **start)
    student = initialize_student(teacher, config, **start, with_head=True)
    for path, array in weights(headless).items():
        np.testing.assert_array_equal(array, weights(student)[path])
    kernel = student.head.dense.kernel.numpy()
    np.testing.assert_allclose(kernel.std(), config.initializer_range, rtol=0.4)


def test_students_with_and_without_head(tiny_model):
    teacher = tiny_model()
    assert initialize_student(teacher, teacher.config, with_head=False).head is None
    assert initialize_student(teacher, teacher.config, init="random", with_head=False).head is None
    headless = tiny_model(with_head=False)
    distilbert = tiny_model(with_head=False, model_type="distilbert", type_vocab_size=0)
    student = initialize_student(distilbert, headless.config, with_head=True)
    assert not student.encoder.embeddings.token_type_embeddings.numpy().any()
    student = initialize_student(headless, headless.config, with_head=True, seed=3)
    fresh = MaskedLanguageModel(headless.config, seed=3)
    np.testing.assert_array_equal(student.head.dense.kernel, fresh.head.dense.kernel)
    np.testing.assert_array_equal(student.decoder_kernel, headless.decoder_kernel)


@pytest.mark.parametrize("width", METHODS)
def test_the_student_is_fitted_in_float32(width, tiny_model, batches):
    teacher = tiny_model()
    config = dataclasses.replace(teacher.config, hidden_size=8)
    start = dict(init=f"first:{width}", calibration=batches)
    expected = initialize_student(teacher, config, **start)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        student = initialize_student(teacher, config, **start)
    finally:
        keras.config.set_dtype_policy(before)
    assert student.encoder.blocks[0].compute_dtype == "bfloat16"
    assert_equal(student, expected)


@pytest.mark.parametrize("init", ["first", "first:importance", "first:pca"])
def test_methods_that_measure_the_teacher_need_text(init, tiny_model):
    teacher = tiny_model()
    config = dataclasses.replace(teacher.config, hidden_size=8)
    assert choose_layers(teacher.config, config, init) == (0, 1)
    with pytest.raises(ValueError, match="calibration"):
        initialize_student(teacher, config, init=init)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("first:narrow", "unknown width method 'narrow'.*slice, importance, pca"),
        ("first:", "unknown width method ''"),
        ("random:pca", "use random, or a depth map .*every_other:pca"),
        ("nowhere:pca", "unknown depth map 'nowhere'"),
    ],
)
def test_unknown_starts_are_refused(init, message, tiny_model):
    config = tiny_model().config
    with pytest.raises(UserError, match=f"student_init.*{message}"):
        choose_layers(config, config, init)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 14}, "hidden_size is 14 in the student and 12 in the teacher"),
        ({"num_attention_heads": 3}, "num_attention_heads is 3 .* 2 in the teacher: use a smaller"),
        ({"intermediate_size": 21}, "intermediate_size is 21 .* 20 in the teacher: use a smaller"),
        ({"hidden_size": 8, "num_attention_heads": 1}, "head_size is 8 .* 6 .*: use more heads"),
        ({"hidden_act": "relu"}, "hidden_act is relu .* gelu .*: make them equal"),
    ],
)
def test_a_student_cannot_be_wider_than_its_teacher(changes, message, tiny_model):
    teacher = tiny_model().config
    with pytest.raises(UserError, match=f"^student_config.*{message}"):
        choose_layers(teacher, dataclasses.replace(teacher, **changes), "first:slice")
