"""A TFLite file of other sizes, made from one without an export: for timing, with random weights.

An export takes seconds for each layer, and the graph of a BERT is the same at all widths. The sizes
of the file that is changed must be numbers that stand for nothing else, so that each dimension of a
tensor says what it is.
"""

import numpy as np

from tfdistill.deployment.flat_model import pack, unpack

DEVIATION = 0.02  # of random float32 weights
LARGEST_SCALE = 1e-3  # of random int8 weights


def resize(content, sizes):
    """Changes the sizes in a file; all weights are drawn anew.

    Args:
        content: bytes of the file.
        sizes: dict of the numbers in the file to those that replace them. Dimensions, shapes that
            operators read, and bounds of ids are replaced; other numbers must not equal them.

    Returns:
        bytes.
    """
    model, done = unpack(content), {0}  # the first buffer is that of tensors without data
    generator = np.random.default_rng(0)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            before = _shape(tensor.shape)
            tensor.shape = _replaced(before, sizes)
            if tensor.shapeSignature is not None:
                tensor.shapeSignature = _replaced(_shape(tensor.shapeSignature), sizes)
            _resize_scales(tensor, generator)
            if tensor.buffer not in done:
                done.add(tensor.buffer)
                _resize_buffer(model.buffers[tensor.buffer], tensor, before, sizes, generator)
        for operator in graph.operators:
            options = operator.builtinOptions
            if getattr(options, "newShape", None) is not None:
                options.newShape = _replaced(_shape(options.newShape), sizes)
    return pack(model)


def _shape(numbers):
    return np.asarray([] if numbers is None else numbers, np.int32).reshape(-1)


def _replaced(numbers, sizes):
    return np.array([sizes.get(int(each), int(each)) for each in numbers], numbers.dtype)


def _resize_scales(tensor, generator):
    """Gives a tensor with a scale for each row as many as it has rows now."""
    scales = tensor.quantization
    if scales is None or scales.scale is None or len(scales.scale) < 2:
        return
    rows = int(tensor.shape[scales.quantizedDimension])
    scales.scale = (LARGEST_SCALE * generator.random(rows)).astype(np.float32)
    scales.zeroPoint = np.zeros(rows, np.int64)
    scales.min = scales.max = None


def _resize_buffer(buffer, tensor, before, sizes, generator):
    from ai_edge_litert.schema_py_generated import TensorType

    if buffer.data is None or not len(buffer.data):
        return
    data, shape = np.asarray(buffer.data, np.uint8), tuple(map(int, tensor.shape))
    if tensor.type == TensorType.INT32:
        data = _replaced(data.view(np.int32), sizes)
    elif (before == tensor.shape).all():
        return
    elif tensor.type == TensorType.INT8:
        data = generator.integers(-127, 128, shape, np.int8)
    else:
        data = generator.standard_normal(shape, np.float32) * np.float32(DEVIATION)
    buffer.data = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
