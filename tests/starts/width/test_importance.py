import numpy as np
import pytest

from tfdistill.starts.width.calibration import Text
from tfdistill.starts.width.importance import unit_importance


@pytest.fixture
def batches(tiny_batch):
    return [tiny_batch([10, 7, 4], seed=seed) for seed in (1, 2)]


def masked_lm_loss(model, batch):
    logits = model(batch)["logits"].numpy().astype(np.float64)
    truth = np.take_along_axis(logits, batch["masked_labels"][..., None], axis=-1)[..., 0]
    losses = np.log(np.exp(logits).sum(axis=-1)) - truth
    return (losses * batch["masked_weights"]).sum() / batch["masked_weights"].sum()


def gated(loss, variables, index, step=1e-2):
    """Central difference of a loss by a gate on some rows of variables: |dL/dg| at g = 1."""
    before = [variable.numpy() for variable in variables]
    values = []
    for gate in (1 + step, 1 - step):
        for variable, array in zip(variables, before, strict=True):
            changed = array.copy()
            changed[index] *= gate
            variable.assign(changed)
        values.append(loss())
    for variable, array in zip(variables, before, strict=True):
        variable.assign(array)
    return abs(values[0] - values[1]) / (2 * step)


def test_importance_is_the_derivative_by_a_gate(tiny_model, batches):
    model = tiny_model()
    stream, layers = unit_importance(model, Text(batches), seed=0)

    def reference(variables, index):
        return sum(gated(lambda b=b: masked_lm_loss(model, b), variables, index) for b in batches)

    block, layer = model.encoder.blocks[1], layers[1]
    output, query = block.attention.output_dense.kernel, block.attention.query
    close = dict(rtol=0.02, atol=2e-4)
    np.testing.assert_allclose(layer.heads[1], reference([output], slice(6, 12)), **close)
    np.testing.assert_allclose(layer.value_dims[1, 2], reference([output], 8), **close)
    expected = reference([query.kernel, query.bias], (..., 3))
    np.testing.assert_allclose(layer.query_dims[0, 3], expected, **close)
    expected = reference([block.output_dense.kernel], 13)
    np.testing.assert_allclose(layer.neurons[13], expected, **close)
    norms = [model.encoder.embeddings.layer_norm]
    for block in model.encoder.blocks:
        norms += [block.attention_norm, block.output_norm]
    everywhere = [variable for norm in norms for variable in (norm.gamma, norm.beta)]
    np.testing.assert_allclose(stream[4], reference(everywhere, 4), rtol=0.02, atol=2e-4)


def test_without_a_head_importance_is_the_change_of_hidden_states(tiny_model, tiny_batch):
    """In random directions, one for each real token."""
    model, batch = tiny_model(with_head=False), tiny_batch([10, 6, 3])
    real = batch["attention_mask"] > 0
    _, layers = unit_importance(model, Text([batch]), seed=3)
    directions = np.random.default_rng(3).standard_normal((3, 10, 12), dtype=np.float32)[real]

    def moved():
        hidden = model(batch)["last_hidden_state"].numpy()[real]
        return np.sum(hidden * directions) / np.sqrt(real.sum())

    for neuron in (2, 5, 17):
        expected = gated(moved, [model.encoder.blocks[0].output_dense.kernel], neuron)
        np.testing.assert_allclose(layers[0].neurons[neuron], expected, rtol=0.02, atol=1e-3)


def test_padding_has_no_effect(tiny_model, tiny_batch):
    model, batch = tiny_model(), tiny_batch([6, 4])
    other = {**batch, "input_ids": np.where(batch["attention_mask"], batch["input_ids"], 9)}
    first, second = (unit_importance(model, Text([each]), seed=0)[0] for each in (batch, other))
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-7)


def test_importance_follows_the_seed(tiny_model, batches):
    model = tiny_model(with_head=False)
    first, again, other = (unit_importance(model, Text(batches), seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
