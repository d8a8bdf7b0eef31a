"""TFLite files of several lengths: one signature for each, with the weights stored once."""

import shutil

import numpy as np
import pytest

from tfdistill.deployment.compared_texts import compared_texts
from tfdistill.deployment.flat_model import pack, unpack
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.parity import ParityError, check_parity
from tfdistill.deployment.predictor import Predictor
from tfdistill.deployment.signatures import as_lengths, lengths_of, names_of, usual_lengths
from tfdistill.deployment.tflite import DYNAMIC_INT8
from tfdistill.system.errors import UserError
from tfdistill.tasks.masked_lm import MaskedLM

pytestmark = pytest.mark.tf218
TASK = MaskedLM()
LENGTHS = 6, 16
FLOAT32, INT8 = "student.tflite", "student_int8.tflite"


@pytest.fixture(params=[pytest.param(FLOAT32, marks=pytest.mark.slow), INT8])
def file(several, request):
    return several(request.param)


def row(tokens, longest=16):
    ids, mask = np.random.default_rng(tokens).integers(5, 120, longest), np.arange(longest) < tokens
    return {"input_ids": ids * mask, "attention_mask": mask * 1, "masked_positions": [1]}


def test_every_length_predicts_the_same_as_a_file_of_one(file, exports):
    lite, one = LiteModel(file), LiteModel(exports["bert"][1] / file.name)
    assert (lite.lengths, one.lengths, lite.length) == (LENGTHS, (16,), 16)
    for tokens in (3, 5, 6, 7, 12, 16):
        expected = one.logits(row(tokens))
        found = [lite.logits(row(tokens), length) for length in LENGTHS if length >= tokens]
        found.append(lite.logits(row(tokens)))
        for each in found:
            np.testing.assert_allclose(each, expected, atol=1e-5 * np.abs(expected).max())


def test_a_text_takes_the_shortest_length_that_holds_it(file):
    lite = LiteModel(file)
    taken = [lite.length_for(row(tokens)["attention_mask"]) for tokens in (0, 1, 6, 7, 16)]
    assert taken == [6, 6, 6, 16, 16]


def test_any_runtime_finds_the_signatures_by_name(file):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file))
    assert set(interpreter.get_signature_list()) == {"tokens_6", "tokens_16"}
    inputs = row(5, 6) | {"token_type_ids": [0] * 6}
    inputs = {name: np.array([values], np.int32) for name, values in inputs.items()}
    found = interpreter.get_signature_runner("tokens_6")(**inputs)["logits"][0]
    np.testing.assert_allclose(found, LiteModel(file).logits(row(5)), rtol=1e-5)


def test_weights_and_their_scales_are_stored_once(several, bert):
    content = several(INT8).read_bytes()
    model = unpack(content)
    table = tuple(bert.decoder_kernel.shape)
    tables = [
        [each for each in graph.tensors if each.shape is not None and tuple(each.shape) == table]
        for graph in model.subgraphs
    ]
    assert [len(each) for each in tables] == [2, 2]  # looked up, and multiplied by
    assert len({tensor.buffer for each in tables for tensor in each}) == 1
    stored = [bytes(buffer.data) for buffer in model.buffers if buffer.data is not None]
    assert len(stored) == len(set(stored))
    (scales,) = {bytes(each.quantization.scale) for each in sum(tables, []) if each.buffer} - {
        np.ones(1, np.float32).tobytes()
    }
    assert content.count(scales) == 2  # of the projection, and what the lookup multiplies by
    assert len(pack(model)) <= len(content)


def test_a_wrong_length_is_noticed(several, bert, batches, tmp_path):
    good = check_parity(TASK, bert, several(INT8), batches, limit=100, kind=DYNAMIC_INT8)
    assert good.positions == 15 and good.between_lengths <= 1e-5 * good.largest_logit
    model = unpack(several(INT8).read_bytes())
    (entry,) = [each for each in model.signatureDefs if each.signatureKey == b"tokens_6"]
    graph, changed = model.subgraphs[entry.subgraphIndex], 0
    for tensor in graph.tensors:
        data = model.buffers[tensor.buffer].data
        if data is not None and tensor.shape is not None and tuple(tensor.shape)[-2:] == (6, 32):
            model.buffers[tensor.buffer].data = np.zeros_like(data)  # the positions of this length
            changed += 1
    assert changed
    (tmp_path / "bad.tflite").write_bytes(pack(model))
    with pytest.raises(ParityError, match="in rows of another length"):
        check_parity(TASK, bert, tmp_path / "bad.tflite", batches, 100, DYNAMIC_INT8)


def test_compared_texts_are_parts_of_rows(batches):
    whole = compared_texts(TASK, batches, 100, (16,))
    parts = compared_texts(TASK, batches, 100, (5, 8, 16))
    assert len(whole) == len(parts) == 15
    assert [(each.label, each.row) for each in whole] == [(each.label, each.row) for each in parts]
    sizes = []
    pairs = zip(whole, parts, strict=True)
    for inputs, part in ((one.inputs, other.inputs) for one, other in pairs):
        own = inputs["input_ids"][inputs["attention_mask"] > 0]
        ids = part["input_ids"]
        assert (ids[0], ids[-1]) == (own[0], own[-1]) and part["attention_mask"].all()
        (old,), (new,) = inputs["masked_positions"], part["masked_positions"]
        assert ids[new] == own[old] and 0 < new < len(ids) - 1
        inner = ids[1:-1].tolist()
        starts = range(1, len(own) - len(inner))
        assert inner in [own[start : start + len(inner)].tolist() for start in starts]
        sizes.append(len(ids))
    assert all(3 <= size <= 5 for size in sizes[::3])
    assert {size > 8 for size in sizes[2::3]} == {True, False}  # short rows stay short
    first = compared_texts(TASK, batches, 6, (16,))
    assert [each.row for each in first] == [*range(6)]  # all before the second one of a row
    assert len({tuple(each.inputs["input_ids"]) for each in first}) == 6


def test_predictions_are_those_of_a_file_of_one_length(several, exports, tmp_path):
    shutil.copytree(exports["bert"][1], tmp_path / "one")
    for text in ("[MASK]", "The whale [MASK] the ship.", "the [MASK] " * 7):
        found, expected = (
            Predictor.open(str(path), TASK).predict(text)
            for path in (several(INT8), tmp_path / "one" / INT8)
        )
        assert [[word for word, _ in each] for each in found] == [
            [word for word, _ in each] for each in expected
        ]


def test_wrong_lengths_are_named(file):
    lite = LiteModel(file)
    with pytest.raises(UserError, match="at most 16 tokens, this one has 17"):
        lite.run(row(17, 20))
    with pytest.raises(UserError, match="no rows of 8 tokens, but of 6, 16"):
        lite.run(row(3), 8)


def test_usual_lengths():
    assert usual_lengths(128) == lengths_of("", 128) == (16, 32, 64, 128)
    assert usual_lengths(16) == (16,) and usual_lengths(200) == (16, 32, 64, 128, 200)
    assert lengths_of("64, 32", 128) == (32, 64, 128) and lengths_of("128", 128) == (128,)
    assert names_of((64,)) == {64: "serving_default"}
    assert names_of((16, 64)) == {16: "tokens_16", 64: "tokens_64"}
    assert as_lengths([32, np.int64(16), 32]) == (16, 32)


@pytest.mark.parametrize("text", ["32,", "32;64", "a", "1.5", "2,64", "256"])
def test_refused_settings(text):
    with pytest.raises(UserError, match=f"tflite_lengths={text}"):
        lengths_of(text, 128)


@pytest.mark.parametrize("length", [(), 2, (16, 2), "16", 16.0, None])
def test_refused_lengths(length):
    with pytest.raises(UserError, match="length="):
        as_lengths(length)
