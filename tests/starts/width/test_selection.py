import dataclasses

import numpy as np
import pytest

from tfdistill.models.model import MaskedLanguageModel
from tfdistill.starts.from_teacher import initialize_student
from tfdistill.starts.width.calibration import Text
from tfdistill.starts.width.importance import unit_importance
from tfdistill.starts.width.selection import (
    copy_units,
    first_units,
    largest,
    largest_units,
)


@pytest.fixture
def batches(tiny_batch):
    return [tiny_batch([10, 7, 4, 10], seed=seed) for seed in (1, 2)]


def narrow_copy(model, units, **changes):
    config = dataclasses.replace(model.config, **changes)
    narrow = MaskedLanguageModel(config, with_head=model.head is not None, seed=None)
    copy_units(model, narrow, *units(config))
    return narrow


def by_importance(model, batches):
    importance = unit_importance(model, Text(batches), seed=0)
    return lambda config: largest_units(config, *importance)


def silence(variable, *index):
    array = variable.numpy()
    array[index] = 0
    variable.assign(array)


def test_the_first_units_of_every_head_are_selected(tiny_model):
    model = tiny_model()
    narrow = narrow_copy(model, first_units, hidden_size=8, intermediate_size=15)
    wide, block = model.encoder.blocks[1], narrow.encoder.blocks[1]
    columns = [0, 1, 2, 3, 6, 7, 8, 9]  # four of six in each head
    np.testing.assert_array_equal(
        block.attention.value.kernel, wide.attention.value.kernel.numpy()[:8, columns]
    )
    np.testing.assert_array_equal(
        block.attention.output_dense.kernel,
        wide.attention.output_dense.kernel.numpy()[columns, :8],
    )
    np.testing.assert_array_equal(block.intermediate.kernel, wide.intermediate.kernel[:8, :15])
    np.testing.assert_array_equal(block.output_norm.gamma, wide.output_norm.gamma[:8])
    np.testing.assert_array_equal(narrow.decoder_kernel, model.decoder_kernel[:, :8])


def test_removing_silent_neurons_keeps_the_function(tiny_model, batches):
    model = tiny_model()
    dropped = [0, 3, 4, 11, 19]
    for block in model.encoder.blocks:
        silence(block.output_dense.kernel, dropped)
    narrow = narrow_copy(model, by_importance(model, batches), intermediate_size=15)
    batch = batches[0]
    np.testing.assert_allclose(narrow(batch)["logits"], model(batch)["logits"], atol=1e-5)


def test_silent_dimensions_are_removed(tiny_model, batches):
    """Selected dimensions sum to zero, so that means stay; the variance is over 8, not 12.

    Scales that make up for it, sqrt(8 / 12), are all that a narrow copy then lacks.
    """
    model = tiny_model(with_head=False)
    kept = np.array([1, 2, 3, 5, 6, 8, 9, 11])
    inside = np.zeros(12)
    inside[kept] = 1
    centre = np.diag(inside) - np.outer(inside, inside) / 8
    embeddings = model.encoder.embeddings
    writers = [
        embeddings.word_embeddings,
        embeddings.position_embeddings,
        embeddings.token_type_embeddings,
    ]
    norms = [embeddings.layer_norm]
    for block in model.encoder.blocks:
        norms += [block.attention_norm, block.output_norm]
        for dense in (block.attention.output_dense, block.output_dense):
            writers += [dense.kernel, dense.bias]
    for variable in writers:
        variable.assign(variable.numpy() @ centre)
    for norm in norms:
        norm.gamma.assign(inside)
        norm.beta.assign(norm.beta.numpy() @ centre)

    stream, layers = by_importance(model, batches)(
        dataclasses.replace(model.config, hidden_size=8, num_attention_heads=2)
    )
    np.testing.assert_array_equal(np.sort(stream), kept)
    narrow = narrow_copy(model, lambda config: (stream, layers), hidden_size=8)
    norm = narrow.encoder.embeddings.layer_norm
    norm.gamma.assign(norm.gamma * np.sqrt(12 / 8))
    found = narrow(batches[0], taps={"embeddings"})["embeddings"]
    expected = model(batches[0], taps={"embeddings"})["embeddings"].numpy()[..., stream]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_removing_silent_heads_keeps_scores_and_values(tiny_model, batches):
    """Silent head dimensions are removed without effect; the stream keeps its width."""
    model = tiny_model(hidden_size=12, num_attention_heads=2)
    for block in model.encoder.blocks:
        for dense in (block.attention.query, block.attention.key, block.attention.value):
            silence(dense.kernel, slice(None), [1, 4, 8, 9])
            silence(dense.bias, [1, 4, 8, 9])
    units = by_importance(model, batches)
    stream, layers = units(dataclasses.replace(model.config, hidden_size=8))
    for layer in layers:
        for dims in (layer.query_dims, layer.value_dims):
            kept = [[0, 2, 3, 5], [0, 1, 4, 5]]
            found = np.sort(dims)[np.argsort(layer.heads)]
            np.testing.assert_array_equal(found, kept)
    narrow = narrow_copy(model, lambda config: (stream, layers), hidden_size=8)
    attention, wide = narrow.encoder.blocks[0].attention, model.encoder.blocks[0].attention
    # With only the selected dimensions of the stream not zero, both have the same scores.
    hidden = np.random.default_rng(5).normal(size=(2, 5, 8)).astype("float32")
    spread = np.zeros((2, 5, 12), "float32")
    spread[..., stream] = hidden
    output, tapped = attention(hidden, taps={"attention_scores"})
    expected, wide_tapped = wide(spread, taps={"attention_scores"})
    scores = wide_tapped["attention_scores"].numpy()[:, layers[0].heads]
    np.testing.assert_allclose(tapped["attention_scores"], scores, atol=1e-5)
    np.testing.assert_allclose(output, expected.numpy()[..., stream], atol=1e-5)


def test_a_silent_head_is_removed(tiny_model, batches):
    model = tiny_model(hidden_size=12, num_attention_heads=3)
    for block, head in zip(model.encoder.blocks, (0, 2), strict=True):
        silence(block.attention.output_dense.kernel, slice(4 * head, 4 * head + 4))
    _, layers = by_importance(model, batches)(
        dataclasses.replace(model.config, hidden_size=8, num_attention_heads=2)
    )
    assert [sorted(layer.heads) for layer in layers] == [[1, 2], [0, 1]]


def test_equal_scores_select_the_first():
    np.testing.assert_array_equal(largest(np.array([1.0, 3.0, 1.0, 3.0, 1.0]), 3), [0, 1, 3])


def test_importance_sorts_a_student_of_the_teachers_width(tiny_model, batches):
    """A permutation of its units: the same function, with the important units first."""
    teacher = tiny_model(num_attention_heads=3)
    student = initialize_student(
        teacher, teacher.config, init="first:importance", calibration=batches
    )
    for batch in batches:
        np.testing.assert_allclose(
            student(batch)["logits"], teacher(batch)["logits"], atol=1e-5, rtol=1e-5
        )
    stream, layers = unit_importance(student, Text(batches), seed=0)
    wide = unit_importance(teacher, Text(batches), seed=0)[0]
    np.testing.assert_allclose(stream, np.sort(wide)[::-1], rtol=1e-3)
    for layer in layers:
        for scores in (layer.heads, layer.query_dims, layer.value_dims, layer.neurons):
            assert np.all(np.diff(scores) <= 1e-4 * scores.max())
