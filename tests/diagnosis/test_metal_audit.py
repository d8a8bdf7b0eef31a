"""The train steps of all recipes run on Metal without a heavy operator on the CPU."""

import pytest
import tensorflow as tf

from tfdistill.diagnosis import label_steps, metal_audit, train_steps
from tfdistill.models.draws import draw
from tfdistill.models.heads.classification import ClassificationHead

CAST = {"SrcT": "int32", "DstT": "float32"}

pytestmark = pytest.mark.tf218


@pytest.fixture(scope="module")
def kernels():
    return metal_audit.load_inventory()


def findings(function, kernels, *shapes):
    specs = [tf.TensorSpec(shape) for shape in shapes]
    graph = tf.function(function, autograph=False).get_concrete_function(*specs).graph
    return {
        (finding.operator, finding.reason.split()[0])
        for finding in metal_audit.audit(graph, kernels)
    }


# One step of each family of operators; the others, which differ little, are slow tests.
FAST = (
    train_steps.PRE_TRAINING,
    "distilbert/distil/bert",
    "distilbert/distil/bert, bfloat16",
    "minilm/relations/bert",
    "minilm_v1/relations/bert",
    "mlm/mlm/bert, gelu_new, bfloat16",
    "mobilebert_akt/distil/mobilebert, float16",
    "pkd/distil/bert",
    "tinybert/general/bert",
)


def steps():
    """All steps as parameters."""
    names = train_steps.names()
    assert set(FAST) <= set(names)
    return [pytest.param(n, marks=[] if n in FAST else [pytest.mark.slow]) for n in names]


@pytest.mark.parametrize("name", steps())
def test_train_steps_are_clean(name, kernels):
    graph = train_steps.trace(name, train_steps.build(name))
    found = metal_audit.audit(graph, kernels)
    assert not found, "\n" + metal_audit.format_findings(found)
    kinds = {operation.type for operation in metal_audit.operations(graph)}
    assert {
        "ResourceApplyAdam",
        "MatMul",
        "StatelessRandomUniformFullIntV2",
    } <= kinds  # complete
    assert ("Erf" in kinds) == (not name.endswith(tuple(train_steps.ACTIVATIONS)))


FAST_LABELS = ("labels/spans, cached",)


def steps_of_labels():
    names = label_steps.names()
    assert set(FAST_LABELS) <= set(names)
    return [pytest.param(n, marks=[] if n in FAST_LABELS else [pytest.mark.slow]) for n in names]


@pytest.mark.parametrize("name", steps_of_labels())
def test_train_steps_of_labels_are_clean(name, kernels):
    found = metal_audit.audit(label_steps.graph(name), kernels)
    assert not found, "\n" + metal_audit.format_findings(found)


def test_layerdrop_without_on_metal_is_not_clean(kernels):
    """The usual gradient of a branch stores its results with operators that Metal lacks."""
    step = train_steps.build(train_steps.PRE_TRAINING, on_metal=False)
    graph = train_steps.trace(train_steps.PRE_TRAINING, step)
    found = {finding.operator for finding in metal_audit.audit(graph, kernels)}
    assert "MulNoNan" in found  # of the clip, which zeroes the gradients of a bad step
    found.remove("MulNoNan")
    assert found and all(operator.startswith("Optional") for operator in found)


def test_a_clean_graph(kernels):
    assert not findings(lambda x, y: tf.nn.softmax(tf.matmul(x, y)), kernels, (9, 9), (9, 9))


@pytest.mark.parametrize(
    "operator, function",
    [
        ("Einsum", lambda x: tf.einsum("ij,kj->ik", x, x)),
        ("Pack", lambda x: tf.stack([x, x])),
        ("IsFinite", lambda x: tf.cast(tf.math.is_finite(x), tf.float32)),
        ("AddV2", lambda x: tf.cast(tf.cast(x, tf.int64) + 1, tf.float32)),
        ("Cumsum", lambda x: tf.cumsum(x)),
    ],
)
def test_operators_that_metal_lacks_are_found(operator, function, kernels):
    assert (operator, "no") in findings(function, kernels, (9, 9))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: tf.cond(x[0, 0] > 0, lambda: tf.stack([x, x]), lambda: tf.concat([[x], [x]], 0)),
        lambda x: tf.while_loop(
            lambda i, _: i < 3, lambda i, y: (i + 1, tf.reduce_sum(tf.stack([y, y]), 0)), (0, x)
        )[1],
        lambda x: tf.function(lambda y: tf.function(lambda z: tf.stack([z, z]))(y))(x),
    ],
    ids=["if", "while", "nested functions"],
)
def test_functions_inside_a_graph_are_searched(wrap, kernels):
    assert ("Pack", "no") in findings(wrap, kernels, (9, 9))


def test_unused_operators_do_not_count(kernels):
    def function(x):
        tf.stack([x, x])
        return x + 1.0

    assert not findings(function, kernels, (9, 9))


def test_scalars_do_not_count(kernels):
    assert not findings(lambda x: tf.stack([x, x]), kernels, ())


def test_the_faulty_fusion_is_found(kernels):
    def relu_layer(x, kernel, bias):
        return tf.nn.relu(tf.nn.bias_add(tf.matmul(x, kernel), bias))

    def safe_layer(x, kernel, bias):
        return tf.nn.relu(tf.matmul(x, kernel) + bias)

    shapes = (9, 9), (9, 9), (9,)
    assert findings(relu_layer, kernels, *shapes) == {("Relu", "follows")}
    assert not findings(safe_layer, kernels, *shapes)


def test_kernels_are_found_by_type(kernels):
    assert metal_audit.has_kernel("Erf", {"T": "float32"}, kernels)
    assert not metal_audit.has_kernel("Erf", {"T": "float64"}, kernels)
    assert not metal_audit.has_kernel("StatelessRandomUniformV2", {"dtype": "bfloat16"}, kernels)
    assert not metal_audit.has_kernel("Einsum", {"T": "float32"}, kernels)


def test_metal_draws_integers_and_casts_them_to_floats(kernels):
    """The audit checks floats; the only large integers are those that dropout draws."""
    graph = tf.function(lambda seed: draw([9, 8], seed=seed, site=1)).get_concrete_function(
        tf.TensorSpec((2,), tf.int32)
    )
    (drawn,) = (op for op in graph.graph.get_operations() if "StatelessRandom" in op.type)
    (cast,) = drawn.outputs[0].consumers()
    for operation, types in ((drawn, {"dtype": "int32"}), (cast, CAST)):
        assert metal_audit.has_kernel(operation.type, types, kernels), operation.type


def test_the_table_names_the_operators():
    finding = metal_audit.Finding("Pack", ("T=float32",), 3, "no kernel", "a/b")
    assert "Pack" in metal_audit.format_findings([finding]).splitlines()[1]


def test_the_pooler_of_distilbert_is_clean(kernels):
    """Its ReLU must not follow MatMul and BiasAdd."""
    config = train_steps.tiny_shape("distilbert", "gelu")
    head = ClassificationHead(config, ("no", "yes"))
    shape = (9, 5, config.hidden_size)
    assert not findings(lambda hidden: head.logits(hidden, {}, None), kernels, shape)
