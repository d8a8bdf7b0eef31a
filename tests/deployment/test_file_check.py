"""A file whose parts do not fit together is refused before a runtime opens it."""

import flatbuffers
import numpy as np
import pytest

from tfdistill.deployment.file_check import require_sound
from tfdistill.deployment.flat_model import unpack
from tfdistill.system.errors import UserError


@pytest.fixture(scope="module")
def content(exports):
    return (exports["bert"][1] / "student_int8.tflite").read_bytes()


def constant(model, fewest_scales=0):
    """The first tensor with data and so many scales."""
    for tensor in model.subgraphs[0].tensors:
        data, scales = model.buffers[tensor.buffer].data, _list(tensor.quantization, "scale")
        if data is not None and len(data) and len(scales) >= fewest_scales:
            return tensor
    raise LookupError


def _list(table, name):
    found = getattr(table, name, None)
    return [] if found is None else found


def double(model):
    tensor = constant(model)
    tensor.shape = np.array([2, *tensor.shape], np.int32)


def leave_out_a_scale(model):
    scales = constant(model, fewest_scales=2).quantization
    scales.scale, scales.zeroPoint = scales.scale[1:], scales.zeroPoint[1:]


def leave_out_a_zero_point(model):
    scales = constant(model, fewest_scales=2).quantization
    scales.zeroPoint = scales.zeroPoint[1:]


def change(part, **values):
    for name, value in values.items():
        setattr(part, name, value)


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda m: change(m, version=2), "another version"),
        (lambda m: change(m.subgraphs[0].tensors[3], buffer=9999), "its buffers is missing"),
        (lambda m: change(m.subgraphs[0].tensors[3], shape=[-1, 2]), "a negative shape"),
        (lambda m: change(m.subgraphs[0].operators[0], opcodeIndex=99), "operators is missing"),
        (lambda m: change(m.subgraphs[0].operators[0], inputs=[9999]), "its tensors is missing"),
        (lambda m: change(m.subgraphs[0], outputs=[-1]), "one of its tensors is missing"),
        (lambda m: change(m.signatureDefs[0], subgraphIndex=7), "one of its signatures is missing"),
        (lambda m: change(m.metadata[0], buffer=9999), "one of its metadata is missing"),
        (double, "a tensor of .* bytes has"),
        (leave_out_a_scale, "scales of another number than channels"),
        (leave_out_a_zero_point, "scales without zero points"),
    ],
)
def test_numbers_that_name_nothing_are_refused(content, damage, message):
    model = unpack(content)
    require_sound("whole.tflite", written(model))
    damage(model)
    with pytest.raises(UserError, match=f"model.tflite is no readable .*{message}"):
        require_sound("model.tflite", written(model))


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda content: b"", "does not begin like one"),
        (lambda content: content[:4] + b"ONNX" + content[8:], "does not begin like one"),
        (lambda content: content[: len(content) // 2], ""),
        (lambda content: b"\xff\xff\xff\x7f" + content[4:], ""),  # the place of its first table
    ],
)
def test_places_outside_the_file_are_refused(content, damage, message):
    with pytest.raises(UserError, match=f"model.tflite is no readable .*{message}.*export it"):
        require_sound("model.tflite", damage(content))


def written(model):
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
