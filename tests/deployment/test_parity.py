"""Parity accepts the file of a model, and no other."""

import numpy as np
import pytest

from tfdistill.deployment.kept_quality import is_lost
from tfdistill.deployment.parity import ParityError, check_parity
from tfdistill.deployment.tflite import DYNAMIC_INT8
from tfdistill.system.errors import UserError
from tfdistill.tasks.masked_lm import MaskedLM
from tfdistill.tasks.metrics import LOSS

pytestmark = pytest.mark.tf218
TASK = MaskedLM()


@pytest.mark.parametrize(
    ("metric", "model", "file", "interval", "lost"),
    [
        (LOSS, 5.0, 5.049, [0.04, 0.06], False),
        (LOSS, 5.0, 5.06, [0.05, 0.07], True),
        (LOSS, 5.0, 5.06, [-0.01, 0.13], False),
        (LOSS, 5.0, 4.0, [-1.1, -0.9], False),
        (LOSS, 5.0, 5.06, None, True),
        (TASK.primary, 0.5, 0.494, [-0.007, -0.005], True),
        (TASK.primary, 0.5, 0.496, [-0.005, -0.003], False),  # 1 % of 0.5, not 1 point
        (TASK.primary, 0.5, 0.6, [0.05, 0.15], False),
        (TASK.primary, -0.5, -0.52, [-0.03, -0.01], True),
        (TASK.primary, 0.5, float("nan"), [float("nan")] * 2, True),
        (TASK.primary, float("nan"), float("nan"), [float("nan")] * 2, False),
        (TASK.primary, float("nan"), 0.5, [float("nan")] * 2, False),
        (TASK.primary, 0.0, 0.0, [0.0, 0.0], False),
    ],
)
def test_what_a_file_may_lose(metric, model, file, interval, lost):
    assert is_lost(metric, model, file, interval) is lost


@pytest.fixture
def files(exports):
    """(model, its float32 file, its int8 file)."""
    model, folder = exports["bert"]
    return model, folder / "student.tflite", folder / "student_int8.tflite"


@pytest.fixture
def change(bert):
    """A function that sets a variable of the model until the test is over."""
    before = {}

    def set_variable(variable, value):
        before.setdefault(variable.path, (variable, variable.numpy()))
        variable.assign(value)

    yield set_variable
    for variable, value in before.values():
        variable.assign(value)


def test_values_against_a_direct_computation(files, batches):
    model, float32, _ = files
    result = check_parity(TASK, model, float32, batches, limit=100)
    losses, hits, largest = [], [], 0
    for batch in batches:
        logits = np.asarray(model(batch)["logits"], np.float64)
        log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        for row, k in np.argwhere(batch["masked_weights"]):
            label = batch["masked_labels"][row, k]
            losses.append(-log_probabilities[row, k, label])
            hits.append(logits[row, k].argmax() == label)
            largest = max(largest, np.abs(logits[row, k]).max())
    assert result.positions == len(losses)
    assert result.loss_keras == pytest.approx(np.mean(losses), rel=1e-6)
    assert result.primary_keras == pytest.approx(np.mean(hits))
    facts = result.facts("top1")
    assert facts["top1_keras"] == result.primary_keras and "lost" not in facts
    assert facts["interval"] == pytest.approx([0, 0], abs=1e-5)
    assert result.largest_logit == pytest.approx(largest, rel=1e-6)


def test_limit_counts_positions(files, batches):
    assert check_parity(TASK, *files[:2], batches, limit=1).positions == 1
    assert check_parity(TASK, *files[:2], batches, limit=9).positions == 9


def test_a_changed_weight_is_noticed_in_float32(files, batches, change):
    kernel = files[0].head.dense.kernel
    change(kernel, kernel.numpy() * 1.001)
    with pytest.raises(ParityError, match=r"student\.tflite differs from its model by"):
        check_parity(TASK, *files[:2], batches, limit=100)


def test_a_worse_int8_file_is_noticed(files, batches, change):
    model, _, int8 = files
    check_parity(TASK, model, int8, batches, limit=100, kind=DYNAMIC_INT8)
    # The model learns to like the true tokens a little more; its file has not.
    bias = model.head.bias.numpy()
    bias[np.concatenate([batch["masked_labels"].ravel() for batch in batches])] += 0.5
    change(model.head.bias, bias)
    with pytest.raises(ParityError, match=r"student_int8\.tflite: the loss is .* where the model"):
        check_parity(TASK, model, int8, batches, limit=100, kind=DYNAMIC_INT8)
    result = check_parity(TASK, model, int8, batches, 100, DYNAMIC_INT8, allow_loss=True)
    low, high = result.interval
    assert 0 < low < result.loss_lite - result.loss_keras < high
    assert f"the loss is {result.loss_lite:.3f} nats where the model has" in result.lost
    assert "95 % interval of the difference: +0." in result.lost


@pytest.mark.parametrize("kind", ["float32", DYNAMIC_INT8])
def test_nan_is_noticed(files, batches, change, kind):
    change(files[0].head.bias, np.full(files[0].head.bias.shape, np.nan))
    with pytest.raises(ParityError):
        check_parity(TASK, files[0], files[1], batches, 100, kind, allow_loss=True)


def test_a_file_whose_weights_were_zeroed_is_noticed(files, batches, tmp_path):
    from ai_edge_litert import schema_py_generated as schema

    model, float32, _ = files
    content = bytearray(float32.read_bytes())
    flat = schema.Model.GetRootAsModel(bytes(content), 0)
    largest = max(
        (flat.Buffers(i).DataAsNumpy() for i in range(flat.BuffersLength())),
        key=lambda data: 0 if isinstance(data, int) else data.size,
    ).tobytes()
    start = bytes(content).index(largest)
    content[start : start + len(largest)] = bytes(len(largest))
    (tmp_path / "zeroed.tflite").write_bytes(content)
    with pytest.raises(ParityError):
        check_parity(TASK, model, tmp_path / "zeroed.tflite", batches, limit=100)


def test_text_without_masked_positions(files, batches):
    empty = [{**batch, "masked_weights": 0 * batch["masked_weights"]} for batch in batches]
    with pytest.raises(UserError, match="nothing to predict"):
        check_parity(TASK, *files[:2], empty, limit=100)


def test_rows_of_another_length(files, batches):
    short = [{**batch, "input_ids": batch["input_ids"][:, :8]} for batch in batches]
    with pytest.raises(UserError, match="length=16"):
        check_parity(TASK, *files[:2], short, limit=100)
