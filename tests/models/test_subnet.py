"""Parts of a model: run inside it, and as models of their own."""

import numpy as np
import pytest
import tensorflow as tf

from tfdistill.models.active_part import active_part, part_layers
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.spans import SpanHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.model import Model
from tfdistill.models.part_shapes import PartShape
from tfdistill.models.subnet import extract_subnet, part_variables, run_subnet

TAPS = ("hidden_states", "attention_scores", "attention_probs", "values")
# Of a model of 3 layers, width 12, 20 neurons, 3 heads of 4.
PARTS = {
    "all": PartShape(3, 12, 20, 3, 4),
    "fewer heads": PartShape(2, 8, 11, 2, 4),
    "smaller heads": PartShape(2, 9, 7, 3, 2),
    "smallest": PartShape(1, 3, 1, 1, 1),
}


@pytest.fixture(params=["bert", pytest.param("distilbert", marks=pytest.mark.slow)])
def whole(request, tiny_model):
    types = {} if request.param == "bert" else {"model_type": "distilbert"}
    return tiny_model(num_hidden_layers=3, num_attention_heads=3, **types)


def as_tensors(shape):
    return PartShape(*(tf.constant(size, tf.float32) for size in shape))


def loss_of(out):
    """A number that depends on the logits and on all that losses compare; gradients are about 1."""
    last = [out["hidden_states"][-1], *(out[name][-1] for name in TAPS[1:])]
    return 0.01 * tf.add_n([tf.reduce_sum(tf.sin(each)) for each in (*last, out["logits"])])


def of_part(array, shape):
    """The active units of a tap of the whole model; the rest must be zeros."""
    array = np.asarray(array)
    if array.ndim == 3:
        inside = array[..., : shape.width]
        assert not array[..., shape.width :].any()
    elif array.shape[-1] == array.shape[-2] == 10:  # scores and attention
        inside = array[:, : shape.heads]
    else:
        inside = array[:, : shape.heads, :, : shape.head_size]
        assert np.count_nonzero(array) == np.count_nonzero(inside)
    return inside


@pytest.mark.parametrize("name", PARTS)
def test_a_part_computes_what_its_own_model_computes(name, whole, tiny_batch):
    shape = PARTS[name]
    batch = tiny_batch([10, 4, 1])
    own = extract_subnet(whole, shape)
    assert PartShape.of(own.config) == shape
    expected = own(batch, taps=TAPS)
    found = run_subnet(whole, as_tensors(shape), batch, taps=TAPS)
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-5)
    for tap in TAPS:
        assert len(found[tap]) == 3 + (tap == "hidden_states")
        active = len(expected[tap])
        for theirs, ours in zip(found[tap][:active], expected[tap], strict=True):
            np.testing.assert_allclose(of_part(theirs, shape), ours, atol=1e-5, err_msg=tap)
        for theirs in found[tap][active:]:  # of layers that are left out: the last one's
            np.testing.assert_array_equal(theirs, found[tap][active - 1])


def gradients(model, batch, shape=None, recompute=False):
    """Of `loss_of`, for all variables; with a shape, of a part inside the model."""
    layers = shape and part_layers(shape, 3, recompute)
    with active_part(shape), tf.GradientTape() as tape:
        out = model(batch, taps=TAPS, keep_layers=layers)
        # The attention of heads that are not there is uniform, so only scores are compared.
        loss = loss_of({**out, "attention_probs": out["values"]})
        values = [variable.value for variable in model.variables]
        found = tape.gradient(loss, values, unconnected_gradients="zero")
    return [tf.convert_to_tensor(gradient) for gradient in found]


def assert_gradients_of_part(found, whole, shape, batch):
    """They are those of the part's own model, and zero elsewhere."""
    own = extract_subnet(whole, shape)
    expected = dict(zip(map(id, own.variables), gradients(own, batch), strict=True))
    found = dict(zip(map(id, whole.variables), found, strict=True))
    for variable, source, index in part_variables(whole, own):
        ours, theirs = found.pop(id(source)).numpy(), expected[id(variable)].numpy()
        np.testing.assert_allclose(ours[index], theirs, atol=1e-5, rtol=1e-5, err_msg=source.path)
        ours[index] = 0
        assert not ours.any(), source.path
    assert not any(tf.reduce_any(rest != 0) for rest in found.values())


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("name", PARTS)
def test_gradients_are_those_of_its_own_model(name, recompute, whole, tiny_batch):
    shape, batch = PARTS[name], tiny_batch([10, 4, 1])
    found = gradients(whole, batch, as_tensors(shape), recompute)
    assert_gradients_of_part(found, whole, shape, batch)


def test_gradients_of_one_compiled_trace(whole, tiny_batch):
    """As steps are trained on a CPU: by XLA, for all shapes."""
    batch, traces = {n: tf.constant(rows) for n, rows in tiny_batch([10, 4, 1]).items()}, []

    @tf.function(jit_compile=True, autograph=False)
    def compiled(sizes):
        traces.append(sizes)
        return gradients(whole, batch, PartShape(*tf.unstack(sizes)))

    for shape in PARTS.values():
        found = compiled(tf.constant(shape, tf.float32))
        assert_gradients_of_part(found, whole, shape, batch)
    assert len(traces) == 1


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "XLA"])
def test_one_trace_serves_all_shapes(jit_compile, whole, tiny_batch):
    batch = {name: tf.constant(rows) for name, rows in tiny_batch([10, 4]).items()}
    traces = []

    @tf.function(jit_compile=jit_compile)
    def logits(sizes):
        traces.append(sizes)
        return run_subnet(whole, PartShape(*tf.unstack(sizes)), batch, taps=())["logits"]

    for shape in PARTS.values():
        expected = extract_subnet(whole, shape)(batch)["logits"]
        found = logits(tf.constant(shape, tf.float32))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(traces) == 1


HEADS = {
    "pooler": lambda config: ClassificationHead(config, ("no", "so", "yes"), "pooler"),
    "mean": lambda config: ClassificationHead(config, ("no", "yes"), "mean"),
    "a number of [CLS]": lambda config: ClassificationHead(config, (), "cls"),
    "tags": lambda config: TokenHead(config, ("O", "B", "I"), dropout=0.2),
    "spans": SpanHead,
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_part_has_the_head_of_a_task(kind, tiny_model, tiny_batch):
    config = tiny_model(num_hidden_layers=3, num_attention_heads=3).config
    whole, shape = Model(Encoder(config), HEADS[kind](config), seed=3), PARTS["smaller heads"]
    for variable in whole.head.variables:  # what a pooler's bias adds must not pass the mask
        variable.assign(tf.random.stateless_normal(variable.shape, seed=(1, 2)))
    part, batch = extract_subnet(whole, shape), tiny_batch([10, 4, 1])
    assert (part.head.labels, part.head.task) == (whole.head.labels, whole.head.task)
    assert part.head.config_values() == whole.head.config_values()

    def outputs(model, run, variables):
        with tf.GradientTape() as tape:
            logits = run(model)["logits"]
            loss = 0.1 * tf.reduce_sum(tf.sin(logits))  # gradients are about 1
        return logits, tape.gradient(loss, [each.value for each in variables])

    pairs = part_variables(whole, part)
    ours, theirs = zip(*((variable, source) for variable, source, _ in pairs), strict=True)
    expected = outputs(part, lambda model: model(batch, taps=()), ours)
    found = outputs(whole, lambda model: run_subnet(model, shape, batch, taps=()), theirs)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    for (_, source, index), own, of_whole in zip(pairs, expected[1], found[1], strict=True):
        if own is not None:
            of_whole, own = (tf.convert_to_tensor(each).numpy() for each in (of_whole, own))
            np.testing.assert_allclose(
                of_whole[index], own, atol=1e-5, rtol=1e-5, err_msg=source.path
            )
