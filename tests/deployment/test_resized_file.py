"""A resized file is the file that an export of these sizes would write, but for its weights."""

import pytest

from tfdistill.deployment.flat_model import unpack
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.operators import VOCABULARY
from tfdistill.deployment.resized_file import resize
from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files
from tfdistill.deployment.timed_shapes import TimedShape, template_of

FILES = {"student.tflite": None, "student_int8.tflite": DYNAMIC_INT8}


@pytest.fixture(scope="module")
def template(exports, make_model, tmp_path_factory):
    """(folder with files of other sizes, dict of these sizes to those of the exported BERT)."""
    shape = TimedShape(exports["bert"][0].config, VOCABULARY, False)
    small, sizes = template_of(shape, (16,))
    fields = "vocab_size hidden_size num_attention_heads attention_head_size intermediate_size"
    model = make_model(**{name: getattr(small.config, name) for name in fields.split()})
    folder = tmp_path_factory.mktemp("template")
    export_tflite_files(model, {folder / name: kind for name, kind in FILES.items()}, 16)
    return folder, sizes


@pytest.mark.parametrize("name", FILES)
def test_a_resized_file_has_the_operators_of_an_export(template, exports, batches, name, tmp_path):
    folder, sizes = template
    resized = tmp_path / name
    resized.write_bytes(resize((folder / name).read_bytes(), sizes))
    exported = exports["bert"][1] / name
    assert _operators(resized) == _operators(exported) != _operators(folder / name)
    assert resized.stat().st_size == pytest.approx(exported.stat().st_size, rel=0.02)
    row = {key: values[0] for key, values in batches[0].items() if key in ("input_ids",)}
    row |= {"attention_mask": row["input_ids"] * 0 + 1, "masked_positions": [1]}
    assert LiteModel(resized).logits(row).shape == LiteModel(exported).logits(row).shape


def _operators(path):
    """Each operator with shapes, types and content of its integer constants, and its scales."""
    model = unpack(path.read_bytes())
    (graph,) = model.subgraphs

    def described(number):
        if number < 0:
            return None
        tensor = graph.tensors[number]
        data = model.buffers[tensor.buffer].data
        constant = None if data is None else len(data)
        if constant and tensor.type == 2:  # int32: shapes, axes, bounds
            constant = bytes(data)
        scales = tensor.quantization and tensor.quantization.scale
        return tuple(tensor.shape), tensor.type, constant, None if scales is None else len(scales)

    return [
        (
            model.operatorCodes[each.opcodeIndex].builtinCode,
            [described(number) for number in (*each.inputs, *each.outputs)],
        )
        for each in graph.operators
    ]
