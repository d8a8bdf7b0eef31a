import dataclasses

import numpy as np
import pytest

from tfdistill.models.model import MaskedLanguageModel
from tfdistill.starts.from_teacher import initialize_student
from tfdistill.starts.width.calibration import Text
from tfdistill.starts.width.stream import residual_basis, stream_moments

WIDE, NARROW = 12, 6


@pytest.fixture
def batches(tiny_batch):
    return [tiny_batch([10, 7, 4, 10, 9, 10] * 6, seed=seed) for seed in (1, 2)]


def widened(model):
    """A wide model whose stream is a rotated narrow one, with NARROW - 1 dimensions.

    With C the centring, M of orthonormal rows that each sum to zero, and a = sqrt(WIDE / NARROW),
    every stream x becomes x C M a: its mean over the dimensions is zero, and its variance x's own.
    The norms' scales are 1 and their shifts sum to zero. Heads are filled up with zeros.
    """
    config = dataclasses.replace(model.config, hidden_size=WIDE)
    wide = MaskedLanguageModel(config, with_head=False, seed=None)
    generator = np.random.default_rng(4)
    centre = np.eye(NARROW) - 1 / NARROW
    rows = generator.normal(size=(WIDE, NARROW))
    rows, _ = np.linalg.qr(rows - rows.mean(axis=0))
    turn = centre @ rows.T * np.sqrt(WIDE / NARROW)  # (narrow, wide)
    back = np.linalg.pinv(turn)
    for norm in norms_of(model):
        norm.gamma.assign(np.ones(NARROW))
        norm.beta.assign(norm.beta.numpy() @ centre)
    for ours, theirs in zip(norms_of(wide), norms_of(model), strict=True):
        ours.beta.assign(theirs.beta.numpy() @ turn)
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        table = getattr(model.encoder.embeddings, name).numpy()
        getattr(wide.encoder.embeddings, name).assign(table @ turn)
    columns = np.array([0, 1, 2, 6, 7, 8])  # heads of 3 in heads of 6
    for ours, theirs in zip(wide.encoder.blocks, model.encoder.blocks, strict=True):
        for name in ("query", "key", "value"):
            scale = np.sqrt(2) if name == "query" else 1
            dense, source = getattr(ours.attention, name), getattr(theirs.attention, name)
            kernel, bias = np.zeros((WIDE, WIDE)), np.zeros(WIDE)
            kernel[:, columns] = back @ source.kernel.numpy() * scale
            bias[columns] = source.bias.numpy() * scale
            dense.kernel.assign(kernel)
            dense.bias.assign(bias)
        kernel = np.zeros((WIDE, WIDE))
        kernel[columns] = theirs.attention.output_dense.kernel.numpy() @ turn
        ours.attention.output_dense.kernel.assign(kernel)
        ours.attention.output_dense.bias.assign(theirs.attention.output_dense.bias.numpy() @ turn)
        ours.intermediate.kernel.assign(back @ theirs.intermediate.kernel.numpy())
        ours.intermediate.bias.assign(theirs.intermediate.bias)
        ours.output_dense.kernel.assign(theirs.output_dense.kernel.numpy() @ turn)
        ours.output_dense.bias.assign(theirs.output_dense.bias.numpy() @ turn)
    return wide


def norms_of(model):
    norms = [model.encoder.embeddings.layer_norm]
    for block in model.encoder.blocks:
        norms += [block.attention_norm, block.output_norm]
    return norms


def test_a_low_dimensional_stream_is_recovered(tiny_model, tiny_batch, batches):
    narrow = tiny_model(hidden_size=NARROW, with_head=False)
    teacher = widened(narrow)
    unseen = tiny_batch([10, 8, 10], seed=99)
    taps = {"attention_probs", "hidden_states"}
    wide, original = (model(unseen, taps=taps) for model in (teacher, narrow))
    for ours, theirs in zip(original["attention_probs"], wide["attention_probs"], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)  # the same function

    student = initialize_student(teacher, narrow.config, init="first:pca", calibration=batches)
    found = student(unseen, taps=taps)
    for ours, theirs in zip(found["attention_probs"], wide["attention_probs"], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.01)
    # Up to its mean, the stream is the teacher's in the basis of principal components.
    centres, covariance = stream_moments(teacher.encoder, Text(batches))
    basis = residual_basis(covariance, NARROW)
    states = zip(found["hidden_states"], wide["hidden_states"], centres[::2], strict=True)
    for ours, theirs, centre in states:
        expected = (theirs.numpy() - centre) @ basis
        assert np.abs(ours - expected).max() < 0.1 * np.abs(expected).max()


def test_the_basis_spans_the_components_and_sums_to_zero():
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(300, WIDE)) * np.geomspace(3, 0.1, WIDE)
    rows = rows @ np.linalg.qr(generator.normal(size=(WIDE, WIDE)))[0]
    covariance = np.cov(rows.T, bias=True)
    basis = residual_basis(covariance, NARROW)
    np.testing.assert_allclose(basis.sum(axis=1), 0, atol=1e-5)
    _, vectors = np.linalg.eigh(covariance)
    components = vectors[:, -(NARROW - 1) :]
    np.testing.assert_allclose(basis @ basis.T, components @ components.T, atol=1e-5)


def test_the_basis_rotates_towards_dimensions():
    """Components within some of the dimensions give these dimensions, minus their mean."""
    centred = np.diag([1.0, 0, 1, 1, 0, 1])[:, [0, 2, 3, 5]] @ (np.eye(4) - 0.25)
    covariance = centred @ np.diag([5.0, 4, 3, 2]) @ centred.T
    basis = residual_basis(covariance, 4)
    expected = np.zeros((6, 4))
    expected[[0, 2, 3, 5]] = np.eye(4) - 0.25
    np.testing.assert_allclose(basis, expected, atol=1e-4)


def test_fewer_neurons_only(tiny_model, batches):
    """A neuron without output is removed without effect; the rest is copied."""
    teacher = tiny_model()
    for block in teacher.encoder.blocks:
        kernel = block.output_dense.kernel.numpy()
        kernel[[2, 7, 19]] = 0
        block.output_dense.kernel.assign(kernel)
    config = dataclasses.replace(teacher.config, intermediate_size=17)
    student = initialize_student(teacher, config, init="first:pca", calibration=batches)
    batch = batches[0]
    np.testing.assert_allclose(student(batch)["logits"], teacher(batch)["logits"], atol=1e-2)


def explained(teacher, student, batches):
    """Share of the variance of the teacher's last hidden states that a linear map explains."""
    ours, theirs = (
        np.concatenate(
            [
                model.encode(batch)["last_hidden_state"].numpy()[batch["attention_mask"] > 0]
                for batch in batches
            ]
        )
        for model in (student, teacher)
    )
    inputs = np.c_[ours, np.ones(len(ours))]
    error = theirs - inputs @ np.linalg.lstsq(inputs, theirs, rcond=None)[0]
    return 1 - np.sum(error**2) / np.sum((theirs - theirs.mean(axis=0)) ** 2)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_explains_more_of_the_teacher_than_other_starts(seed, tiny_model, batches):
    teacher = tiny_model(seed=seed)
    # As in trained models, a few directions of the stream have most of the variance.
    turned = np.linalg.qr(np.random.default_rng(seed).normal(size=(WIDE, WIDE)))[0]
    tables = [teacher.encoder.embeddings.word_embeddings]
    for block in teacher.encoder.blocks:
        tables += [block.attention.output_dense.kernel, block.output_dense.kernel]
    for table in tables:
        table.assign(table.numpy() @ turned @ np.diag(np.geomspace(4, 0.1, WIDE)) @ turned.T)
    config = dataclasses.replace(teacher.config, hidden_size=NARROW)
    share = {
        init: explained(
            teacher, initialize_student(teacher, config, init, calibration=batches), batches
        )
        for init in ("random", "first:slice", "first:pca")
    }
    assert share["first:pca"] > share["first:slice"] + 0.05
    assert share["first:pca"] > share["random"] + 0.05
