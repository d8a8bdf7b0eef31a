"""Students with their teacher's embeddings and head."""

import dataclasses

import numpy as np
import pytest

from tfdistill.models.configs.config_files import named_config
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.starts.compatibility import choose_layers
from tfdistill.starts.from_teacher import initialize_student
from tfdistill.system.errors import UserError

TEACHER, STUDENT = "L-3_H-24_B-16_A-2_F-1_E-6", "L-2_H-8_B-16_A-2_F-2_E-6"


def shape(name, **changes):
    config = named_config(name, "mobilebert", vocab_size=40)
    return dataclasses.replace(config, initializer_range=0.3, **changes)


@pytest.fixture(scope="module")
def teacher():
    model = MaskedLanguageModel(shape(TEACHER), seed=1)
    generator = np.random.default_rng(2)
    for variable in model.weights:
        if len(variable.shape) == 1:
            variable.assign(variable.numpy() + generator.normal(0, 0.3, variable.shape))
    return model


@pytest.fixture(scope="module")
def text():
    generator = np.random.default_rng(3)
    mask = (np.arange(12) < np.array([[12], [12], [7], [1]])).astype("int32")
    ids = generator.integers(1, 40, (4, *mask.shape)).astype("int32") * mask
    return [{"input_ids": rows, "attention_mask": mask} for rows in ids]


def assert_same(ours, theirs):
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_embeddings_and_head_are_copied_and_layers_are_fresh(teacher, text):
    config = shape(STUDENT, max_position_embeddings=20)
    student = initialize_student(teacher, config, "embeddings", seed=5, calibration=text)
    ours, theirs = student.encoder.embeddings, teacher.encoder.embeddings
    np.testing.assert_array_equal(ours.word_embeddings, theirs.word_embeddings)
    np.testing.assert_array_equal(ours.position_embeddings, theirs.position_embeddings[:20])
    assert_same(ours.transformation, theirs.transformation)
    assert_same(ours.layer_norm, theirs.layer_norm)
    assert_same(student.head, teacher.head)
    fresh = MaskedLanguageModel(config, seed=5)
    for ours, theirs in zip(student.encoder.blocks, fresh.encoder.blocks, strict=True):
        assert_same(ours, theirs)


def test_a_different_norm_is_fitted(teacher, text):
    """No other scale and shift of NoNorm comes closer to the teacher's LayerNorm on this text."""
    student = initialize_student(teacher, shape(f"{STUDENT}_OPT"), "embeddings", calibration=text)

    def distance():
        total = 0.0
        for batch in text:
            real = batch["attention_mask"] > 0
            ours, theirs = (m.encoder.embeddings(batch["input_ids"]) for m in (student, teacher))
            total += np.sum((np.asarray(ours) - np.asarray(theirs))[real] ** 2)
        return total

    best = distance()
    norm = student.encoder.embeddings.layer_norm
    for variable in (norm.gamma, norm.beta):
        for index in (0, 7, 15):
            for change in (-0.02, 0.02):
                value = variable.numpy().copy()
                variable.assign(value + change * np.eye(16, dtype=np.float32)[index])
                assert distance() > best
                variable.assign(value)


def test_embeddings_of_other_shapes_are_refused(teacher):
    for name, words in (
        ("L-2_H-8_B-12_A-2_F-2_E-6", "hidden_size is 12 in the student and 16 in the teacher"),
        ("L-2_H-8_B-16_A-2_F-2_E-8", "embedding_size is 8 in the student and 6 in the teacher"),
    ):
        with pytest.raises(UserError, match=words):
            choose_layers(teacher.config, shape(name), "embeddings")
    bert = named_config("L-2_H-16_A-2", vocab_size=40)
    for config in ((teacher.config, bert), (bert, teacher.config)):
        with pytest.raises(UserError, match="no layers in common"):
            choose_layers(*config, "embeddings")
    with pytest.raises(UserError, match="copies no layers"):
        choose_layers(teacher.config, shape(STUDENT), "embeddings:pca")


def test_layers_are_copied_from_a_teacher_of_the_same_shape(teacher):
    student = initialize_student(teacher, shape(TEACHER, num_hidden_layers=2), "spaced")
    assert_same(student.encoder.embeddings, teacher.encoder.embeddings)
    assert_same(student.head, teacher.head)
    for ours, index in zip(student.encoder.blocks, (0, 2), strict=True):
        assert_same(ours, teacher.encoder.blocks[index])
    with pytest.raises(UserError, match="intra_bottleneck_size is 8 .*=embeddings or random"):
        choose_layers(teacher.config, shape(STUDENT), "spaced")


def test_embeddings_of_bert_can_be_copied_too():
    config = named_config("L-2_H-16_A-2", vocab_size=40)
    teacher = MaskedLanguageModel(config, seed=1)
    other = dataclasses.replace(config, num_attention_heads=4)
    student = initialize_student(teacher, other, "embeddings")
    assert_same(student.encoder.embeddings, teacher.encoder.embeddings)
