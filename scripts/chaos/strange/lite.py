"""A valid TFLite file that no runtime needs to run, and the reader of damaged ones."""

import numpy as np


def tflite():
    """A file with two signatures, a loop and metadata; no runtime needs to run it."""
    from ai_edge_litert import schema_py_generated as schema

    from tfdistill.deployment.file_metadata import add_metadata
    from tfdistill.deployment.flat_model import pack

    model = schema.ModelT()
    model.version, model.description = 3, b"made for a test"
    codes = [schema.BuiltinOperator.GATHER, schema.BuiltinOperator.WHILE, 22, 0]  # RESHAPE, ADD
    model.operatorCodes = [schema.OperatorCodeT() for _ in codes]
    for made, code in zip(model.operatorCodes, codes, strict=True):
        made.builtinCode = made.deprecatedBuiltinCode = code
    model.buffers = [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = np.arange(20 * 4, dtype=np.float32).view(np.uint8)
    model.subgraphs = [_graph(schema, 4), _graph(schema, 8), _body(schema), _body(schema)]
    model.signatureDefs = [_signature(schema, 0, b"tokens_4"), _signature(schema, 1, b"tokens_8")]
    values = {"task": "text_classification", "labels": ["bad", "good"], "length": 8}
    return {"student.tflite": add_metadata(pack(model), values | {"pooling": "cls", "answers": {}})}


def _graph(schema, length):
    tensors = [("ids", (1, length), 2), ("mask", (1, length), 2), ("table", (20, 4), 0)]
    tensors += [
        ("rows", (1, length, 4), 0),
        ("sums", (1, length, 4), 0),
        ("flat", (1, 4 * length), 0),
    ]
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(schema, *each) for each in tensors]
    graph.tensors[2].buffer, graph.tensors[2].quantization = 1, schema.QuantizationParametersT()
    graph.tensors[2].quantization.scale = np.ones(20, np.float32)
    graph.tensors[2].quantization.zeroPoint = np.zeros(20, np.int64)
    loop, reshape = schema.WhileOptionsT(), schema.ReshapeOptionsT()
    loop.condSubgraphIndex, loop.bodySubgraphIndex = 2, 3
    reshape.newShape = np.array([1, -1], np.int32)
    options = schema.BuiltinOptions
    graph.operators = [
        _operator(schema, 0, [2, 0], [3], options.GatherOptions, schema.GatherOptionsT()),
        _operator(schema, 1, [3], [4], options.WhileOptions, loop),
        _operator(schema, 2, [4], [5], options.ReshapeOptions, reshape),
    ]
    graph.inputs, graph.outputs = np.array([0, 1], np.int32), np.array([5], np.int32)
    return graph


def _body(schema):
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(schema, "rows", (1, 4), 0)]
    graph.operators = [_operator(schema, 3, [0, -1], [0], 0, None)]
    graph.inputs = graph.outputs = np.array([0], np.int32)
    return graph


def _tensor(schema, name, shape, kind):
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type = name.encode(), np.array(shape, np.int32), kind
    return tensor


def _operator(schema, code, inputs, outputs, kind, options):
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.builtinOptionsType, operator.builtinOptions = code, kind, options
    operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
    return operator


def _signature(schema, graph, key):
    found = schema.SignatureDefT()
    found.signatureKey, found.subgraphIndex = key, graph
    names = ([b"input_ids", b"attention_mask"], [b"logits"])
    maps = [[schema.TensorMapT() for _ in each] for each in names]
    for made, of_names, places in zip(maps, names, ([0, 1], [5]), strict=True):
        for each, name, place in zip(made, of_names, places, strict=True):
            each.name, each.tensorIndex = name, place
    found.inputs, found.outputs = maps
    return found


def read_tflite(folder):
    """Reads a file as far as `LiteModel` does before a runtime gets it, which it does not here."""
    from tfdistill.deployment.file_check import require_sound
    from tfdistill.deployment.file_metadata import read_metadata
    from tfdistill.deployment.signatures import only, read_signatures, table_rows

    path = folder / "student.tflite"
    content = path.read_bytes()
    require_sound(path, content)
    read_metadata(path)
    table_rows(content)
    for signature in read_signatures(content).values():
        require_sound(path, only(content, signature.index))
