"""TFLite files: weights, size, and predictions equal to the model's."""

import os

import numpy as np
import pytest

from tfdistill.deployment.flat_model import unpack
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.parity import check_parity
from tfdistill.deployment.saved_model import write_archive
from tfdistill.deployment.tflite import (
    DYNAMIC_INT8,
    convert,
    export_tflite,
    require_weights,
)
from tfdistill.models.folded_mobilebert import fold
from tfdistill.system.errors import UserError
from tfdistill.tasks.masked_lm import MaskedLM

pytestmark = pytest.mark.tf218

LENGTH = 16


def test_float32_equals_the_model(exported, batches):
    model, folder = exported
    result = check_parity(MaskedLM(), model, folder / "student.tflite", batches, limit=100)
    assert result.positions == 15
    assert result.max_abs_difference < 1e-4 * result.largest_logit
    assert result.agreement == 1.0
    assert result.loss_lite == pytest.approx(result.loss_keras, rel=1e-5)


def test_int8_keeps_the_loss(exported, batches):
    model, folder = exported
    result = check_parity(
        MaskedLM(), model, folder / "student_int8.tflite", batches, limit=100, kind=DYNAMIC_INT8
    )
    # int8 is another model, though a close one.
    assert 1e-4 < result.max_abs_difference / result.largest_logit < 0.2
    assert result.agreement > 0.9


def test_inputs_and_output_by_name(exported):
    model, folder = exported
    lite = LiteModel(folder / "student.tflite")
    token_types = {"token_type_ids"} if model.config.model_type == "bert" else set()
    assert lite.input_names == {"input_ids", "attention_mask", "masked_positions"} | token_types
    assert (lite.length, lite.outputs) == (LENGTH, model.config.vocab_size)


@pytest.mark.parametrize("name", ["student.tflite", "student_int8.tflite"])
def test_the_last_layer_is_computed_for_one_row(exported, name):
    model, folder = exported
    content = (folder / name).read_bytes()
    graph = unpack(content).subgraphs[0]
    outputs = [graph.tensors[index] for each in graph.operators for index in each.outputs]
    wide = [tensor for tensor in outputs if tensor.shape[-1] == model.config.intermediate_size]
    rows = [int(np.prod(tensor.shape[:-1])) for tensor in wide]
    assert list(dict.fromkeys(rows)) == [LENGTH, 1]  # in the order of the two layers


@pytest.mark.parametrize("name", ["student.tflite", "student_int8.tflite"])
def test_the_vocabulary_product_writes_the_output(exported, name):
    """An operator behind it would copy the logits."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    model, folder = exported
    flat = unpack((folder / name).read_bytes())
    (graph,) = flat.subgraphs
    (last,) = [each for each in graph.operators if each.outputs[0] == graph.outputs[0]]
    code = flat.operatorCodes[last.opcodeIndex].builtinCode
    assert code == BuiltinOperator.FULLY_CONNECTED
    table = graph.tensors[last.inputs[1]].shape
    assert tuple(table) == tuple(model.decoder_kernel.shape)
    assert tuple(graph.tensors[last.outputs[0]].shape) == (1, 1, model.config.vocab_size)


def test_int8_file_stores_the_tied_table_once(exported):
    from ai_edge_litert import schema_py_generated as schema

    model, folder = exported
    content = (folder / "student_int8.tflite").read_bytes()
    flat = unpack(content)
    (graph,) = flat.subgraphs
    table = tuple(model.decoder_kernel.shape)
    tables = [
        tensor
        for tensor in graph.tensors
        if tensor.shape is not None and tuple(tensor.shape) == table
    ]
    assert {tensor.type for tensor in tables} == {schema.TensorType.INT8}
    assert len(tables) == 2 and len({tensor.buffer for tensor in tables}) == 1
    sizes = [0 if buffer.data is None else len(buffer.data) for buffer in flat.buffers]
    assert sizes.count(table[0] * table[1]) == 1


def test_sharing_the_table_brings_int8_closer_to_the_model(exports, batches, tmp_path):
    """The converter's lookup table has one scale for all rows, ours has one for each."""
    model, folder = exports["bert"]
    write_archive(model, tmp_path / "saved", batch=1, lengths=(LENGTH,), columns=1)
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(convert(str(tmp_path / "saved"), DYNAMIC_INT8, (LENGTH,)))

    def error(path):
        lite, batch = LiteModel(path), batches[0]
        exact = np.asarray(model({**batch})["logits"])[:, 0]
        rows = [
            {"input_ids": ids, "attention_mask": mask, "masked_positions": [1]}
            for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
        ]
        found = np.concatenate([lite.logits(row) for row in rows])
        return np.sqrt(np.mean((found - exact) ** 2))

    assert error(folder / "student_int8.tflite") < error(plain)
    assert (folder / "student_int8.tflite").stat().st_size < plain.stat().st_size


def test_a_table_whose_rows_have_one_scale(make_model, tmp_path):
    """Both copies of the table then have the same bytes, and the converter stores one."""
    model = make_model("bert")
    table = model.decoder_kernel.numpy().copy()
    table[:, 0] = np.abs(table).max()
    model.decoder_kernel.assign(table)
    path = tmp_path / "student.tflite"
    export_tflite(model, path, "dynamic_int8", LENGTH)
    ids, mask = np.arange(1, LENGTH + 1) % 30, np.ones(LENGTH)
    row = {"input_ids": ids, "attention_mask": mask, "masked_positions": [3]}
    found = LiteModel(path).logits(row)
    expected = model({name: np.asarray([value], np.int32) for name, value in row.items()})
    expected = expected["logits"].numpy()[0]
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


def test_bytes_of_a_model_with_the_whole_vocabulary(whole_vocabulary):
    """Two layers of width 128: the table alone has 15.6 MB in float32."""
    assert 17.2e6 < os.path.getsize(whole_vocabulary / "student.tflite") < 17.6e6
    assert 4.3e6 < os.path.getsize(whole_vocabulary / "student_int8.tflite") < 5.1e6


def test_a_file_without_weights_is_refused(bert):
    with pytest.raises(UserError, match="loses weights"):
        require_weights(b"x" * 30_000, bert, None, LENGTH)
    require_weights(b"x" * 1_000_000, bert, None, LENGTH)


def test_refused_models(make_model, bert, tmp_path):
    with pytest.raises(UserError, match="no head to export"):
        export_tflite(make_model(with_head=False), tmp_path / "x.tflite", length=LENGTH)
    with pytest.raises(UserError, match="length=25 is more than the model's 24 positions"):
        export_tflite(bert, tmp_path / "x.tflite", length=25)
    with pytest.raises(ValueError, match="int4"):
        export_tflite(bert, tmp_path / "x.tflite", quantize="int4")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "half"])
def test_damaged_files_are_refused(exported, tmp_path, damage, capfd):
    whole = (exported[1] / "student.tflite").read_bytes()
    path = tmp_path / "bad.tflite"
    half = whole[: len(whole) // 2]
    content = {"empty": b"", "text": b"no model at all, but some text", "half": half}
    if damage != "missing":
        path.write_bytes(content[damage])
    with pytest.raises(UserError, match=r"bad\.tflite"):
        LiteModel(path)
    assert capfd.readouterr().err == ""


def test_a_file_of_another_kind_is_refused(tmp_path):
    import tensorflow as tf

    double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec((1,), name="x")])
    module = tf.Module()
    module.double = double
    tf.saved_model.save(module, str(tmp_path / "saved"), {"serving_default": double})
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved")).convert()
    (tmp_path / "other.tflite").write_bytes(content)
    with pytest.raises(UserError, match="not written by tfdistill.export"):
        LiteModel(tmp_path / "other.tflite")


def matrices_of(path):
    """The constant matrices of a file, as floats."""
    from ai_edge_litert import schema_py_generated as schema

    flat = unpack(path.read_bytes())
    found = []
    for tensor in flat.subgraphs[0].tensors:
        data = flat.buffers[tensor.buffer].data
        if data is None or tensor.shape is None or len(tensor.shape) != 2:
            continue
        kinds = {schema.TensorType.INT8: np.int8, schema.TensorType.FLOAT32: np.float32}
        if tensor.type in kinds:  # small ones stay float32
            values = np.asarray(data, np.uint8).view(kinds[tensor.type])
            found.append(values.reshape(tensor.shape).astype(np.float32))
    return found


def is_same(matrix, kernel):
    """Equal except for rounding to int8 and for the scale of each row."""
    largest = np.abs(kernel).argmax(axis=1)[:, None]
    matrix, kernel = (each / np.take_along_axis(each, largest, axis=1) for each in (matrix, kernel))
    return np.abs(matrix - kernel).max() < 0.02


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "mobilebert"])
def test_an_int8_file_holds_the_models_own_kernels(add_noise, exports, model_type, tmp_path):
    """Their products with the scales of the norms before them would have larger rounding errors."""
    if model_type in exports:
        model, folder = exports[model_type]
    else:
        model, folder = make_mobilebert(add_noise), tmp_path
        export_tflite(model, folder / "student_int8.tflite", DYNAMIC_INT8, LENGTH)
        model = fold(model)
    held = matrices_of(folder / "student_int8.tflite")
    kernels = [variable for variable in model.variables if variable.path.endswith("/kernel")]
    assert len(kernels) >= 12
    for kernel in kernels:
        own = kernel.numpy().T
        assert any(is_same(matrix, own) for matrix in held if matrix.shape == own.shape), (
            kernel.path
        )


def make_mobilebert(add_noise):
    """A MobileBERT with scales and shifts in place of LayerNorms."""
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.models.model import MaskedLanguageModel

    config = named_config("L-1_H-24_B-32_A-2_F-2_I-40_E-16_OPT", "mobilebert", vocab_size=120)
    model = MaskedLanguageModel(config)
    add_noise(model, 0.2, np.random.default_rng(3))
    return model
