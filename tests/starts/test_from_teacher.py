import dataclasses
import itertools

import numpy as np
import pytest

from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.starts.compatibility import choose_layers
from tfdistill.starts.from_teacher import initialize_student
from tfdistill.starts.layer_search import search_layers
from tfdistill.system.errors import UserError


def make_config(model_type, layers, **changes):
    shape = {
        "model_type": model_type,
        "vocab_size": 31,
        "hidden_size": 12,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 20,
        "max_position_embeddings": 16,
    }
    return EncoderConfig(**{**shape, **changes})


def make_teacher(model_type, layers=4, with_head=True):
    teacher = MaskedLanguageModel(make_config(model_type, layers), with_head=with_head)
    generator = np.random.default_rng(7)
    for variable in teacher.weights:
        variable.assign(generator.normal(scale=0.4, size=variable.shape))
    return teacher


@pytest.fixture
def batch():
    ids = np.random.default_rng(1).integers(1, 31, (3, 8)).astype("int32")
    mask = (np.arange(8) < np.array([[8], [4], [1]])).astype("int32")
    return {"input_ids": ids, "attention_mask": mask}


TYPES = list(itertools.product(("bert", "distilbert"), repeat=2))


@pytest.mark.parametrize(("teacher_type", "student_type"), TYPES)
def test_a_student_computes_the_function_of_the_copied_layers(teacher_type, student_type, batch):
    teacher = make_teacher(teacher_type)
    student = initialize_student(teacher, make_config(student_type, 2), init="every_other")
    expected = teacher(batch, layers=(0, 2), taps={"hidden_states"})
    result = student(batch, taps={"hidden_states"})
    np.testing.assert_allclose(result["logits"], expected["logits"], atol=1e-4)
    for ours, theirs in zip(result["hidden_states"], expected["hidden_states"], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_bert_to_bert_copies_token_types(batch):
    teacher = make_teacher("bert")
    student = initialize_student(teacher, make_config("bert", 4), init="first")
    typed = {**batch, "token_type_ids": np.ones_like(batch["input_ids"])}
    np.testing.assert_array_equal(student(typed)["logits"], teacher(typed)["logits"])


def test_a_student_with_fewer_positions(batch):
    teacher = make_teacher("bert")
    config = make_config("bert", 2, max_position_embeddings=8)
    student = initialize_student(teacher, config, init="0,3")
    expected = teacher(batch, layers=(0, 3))["logits"]
    np.testing.assert_allclose(student(batch)["logits"], expected, atol=1e-5)


def test_the_student_is_a_copy_not_a_view(batch):
    teacher = make_teacher("bert")
    before = teacher(batch)["logits"].numpy()
    student = initialize_student(teacher, make_config("distilbert", 2))
    for variable in student.weights:
        variable.assign(variable * 0)
    np.testing.assert_array_equal(teacher(batch)["logits"], before)


def test_a_teacher_without_a_head():
    teacher = make_teacher("bert", with_head=False)
    assert initialize_student(teacher, make_config("bert", 2)).head is None


def test_random_students_follow_the_seed_and_not_the_teacher():
    teacher, config = make_teacher("bert"), make_config("bert", 2, num_attention_heads=3)
    first, again, other = (
        initialize_student(teacher, config, init="random", seed=seed) for seed in (1, 1, 2)
    )
    tables = [student.decoder_kernel.numpy() for student in (first, again, other, teacher)]
    np.testing.assert_array_equal(tables[0], tables[1])
    assert (tables[0] != tables[2]).any() and (tables[0] != tables[3]).any()
    assert first.head is not None


@pytest.mark.parametrize("init", ["every_other", "random", "search"])
def test_another_vocabulary_is_refused(init):
    config = dataclasses.replace(make_config("bert", 2), vocab_size=300)
    with pytest.raises(UserError, match="^student_config: the vocabularies differ"):
        initialize_student(make_teacher("bert"), config, init=init, validation_loss=sum)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"hidden_size": 24}, "hidden_size"),
        ({"num_hidden_layers": 5}, "deeper"),
        ({"num_attention_heads": 3}, "num_attention_heads"),
        ({"intermediate_size": 21}, "intermediate_size"),
        ({"max_position_embeddings": 17}, "max_position_embeddings is 17"),
        ({"type_vocab_size": 3}, "type_vocab_size is 3"),
    ],
)
def test_shapes_that_cannot_be_copied_can_start_at_random(changes, named):
    config = dataclasses.replace(make_config("bert", 2), **changes)
    with pytest.raises(UserError, match=named):
        initialize_student(make_teacher("bert"), config)
    initialize_student(make_teacher("bert"), config, init="random")


def test_search_finds_the_best_subset_exhaustively():
    tried = []

    def loss(layers):
        tried.append(layers)
        return abs(sum(layers) - 9) + (0.5 if 0 in layers else 0)

    assert search_layers(6, 3, loss) == (1, 3, 5)
    assert len(tried) == 20


def test_search_removes_layers_if_there_are_many_subsets():
    tried = []

    def loss(layers):
        """The outer layers are the best."""
        tried.append(layers)
        return -sum(abs(2 * layer - 11) for layer in layers)

    assert search_layers(12, 6, loss) == (0, 1, 2, 9, 10, 11)
    assert len(tried) == sum(range(7, 13))


def test_search_skips_the_other_layers_of_the_teacher(batch):
    teacher = make_teacher("bert")
    target = teacher(batch, layers=(1, 3))["logits"].numpy()

    def loss(layers):
        return float(np.abs(teacher(batch, layers=layers)["logits"] - target).mean())

    config = make_config("bert", 2)
    assert choose_layers(teacher.config, config, "search", loss) == (1, 3)
    student = initialize_student(teacher, config, init="search", validation_loss=loss)
    np.testing.assert_allclose(student(batch)["logits"], target, atol=1e-5)


def test_search_needs_a_loss():
    with pytest.raises(ValueError, match="validation_loss"):
        initialize_student(make_teacher("bert"), make_config("bert", 2), init="search")
