"""Files of float16 and of int8 activations predict nearly as their model."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.compared_texts import calibration_texts
from tfdistill.deployment.flat_model import unpack
from tfdistill.deployment.fully_connected import FullyConnected
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.parity import check_parity
from tfdistill.deployment.tflite import export_tflite, export_tflite_files
from tfdistill.deployment.variants import FLOAT16, FULL_INT8, VARIANTS, variants_of
from tfdistill.system.errors import UserError
from tfdistill.tasks.masked_lm import MaskedLM

TASK, LENGTH = MaskedLM(), 16
FILES = {"half.tflite": FLOAT16, "full.tflite": FULL_INT8}


@pytest.fixture(scope="module")
def folder(bert, batches, tmp_path_factory):
    """A folder with both files; the full int8 one is calibrated on other texts than it runs on."""
    folder = tmp_path_factory.mktemp("variants")
    texts = calibration_texts(TASK, batches[:1], LENGTH, 0)
    assert {len(each["input_ids"]) for each in texts} == {LENGTH}
    files = {folder / name: kind for name, kind in FILES.items()}
    export_tflite_files(bert, files, (8, LENGTH), texts)
    return folder


def held(flat, graph):
    """Indices of the tensors of a graph whose values the file holds."""
    return [i for i, each in enumerate(graph.tensors) if flat.buffers[each.buffer].data is not None]


def difference(bert, folder, batches, name):
    found = check_parity(TASK, bert, folder / name, batches[1:], 100, FILES[name], allow_loss=True)
    assert found.positions == 6
    return found.max_abs_difference / found.largest_logit


def test_float16(bert, folder, batches):
    assert 1e-6 < difference(bert, folder, batches, "half.tflite") < 2e-3
    flat = unpack((folder / "half.tflite").read_bytes())
    kinds = {graph.tensors[index].type for graph in flat.subgraphs for index in held(flat, graph)}
    assert schema.TensorType.FLOAT16 in kinds
    lite = LiteModel(folder / "half.tflite")
    assert lite.lengths == (8, LENGTH)
    with pytest.raises(UserError, match="half.tflite has 120: their vocabularies differ"):
        lite.require_tokenizer(load_tokenizer())


def test_full_int8(bert, folder, batches):
    assert 1e-4 < difference(bert, folder, batches, "full.tflite") < 0.25
    assert LiteModel(folder / "full.tflite").lengths == (LENGTH,)
    flat = unpack((folder / "full.tflite").read_bytes())
    products = [
        operator
        for operator in flat.subgraphs[0].operators
        if flat.operatorCodes[operator.opcodeIndex].builtinCode
        == schema.BuiltinOperator.FULLY_CONNECTED
    ]
    tensors = flat.subgraphs[0].tensors
    assert {tensors[each.inputs[0]].type for each in products} == {schema.TensorType.INT8}


def test_products_of_variants_run_alone(folder):
    found = []
    for name, length in (("half.tflite", 8), ("half.tflite", LENGTH), ("full.tflite", LENGTH)):
        alone = FullyConnected(folder / name, length)
        alone.run()
        found.append(alone.multiply_adds)
    assert found[0] < found[1] == found[2]


def test_padding_of_a_full_int8_file(folder):
    ids = np.random.default_rng(8).integers(5, 50, LENGTH)
    row = {"attention_mask": np.arange(LENGTH) < 7, "masked_positions": [3]}
    lite = LiteModel(folder / "full.tflite")
    found = [
        lite.logits(row | {"input_ids": each})
        for each in (ids, np.where(row["attention_mask"], ids, 30))
    ]
    np.testing.assert_array_equal(*found)


def test_variants_by_name():
    assert variants_of("") == ("float32",) and variants_of("int8") == ("float32", "int8")
    assert variants_of("full_int8, int8,float16") == tuple(VARIANTS)
    with pytest.raises(UserError, match="tflite_variants=int8,int4: 'int4' is unknown"):
        variants_of("int8,int4")


def test_full_int8_needs_texts(bert, tmp_path):
    with pytest.raises(UserError, match="calibration"):
        export_tflite(bert, tmp_path / "x.tflite", FULL_INT8, LENGTH)
