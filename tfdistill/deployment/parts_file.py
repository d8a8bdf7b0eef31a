"""TFLite files with a signature for each part of a model, which share what is equal.

The files of the parts are put together: their subgraphs side by side, and equal arrays once. Parts
of one width have the same layers, and all parts have the same table of embeddings. A narrower layer
is stored apart: its rows are cut out of the whole layer's, and int8 weights have scales of their
own. TensorFlow is not needed.

A signature has the name of its part, such as "full" or "w50d75"; in files of several lengths of
rows, "w50d75_tokens_32".
"""

import copy

from tfdistill.deployment.flat_model import pack, share_buffers, unpack
from tfdistill.deployment.signatures import signature_key, split_key
from tfdistill.system.errors import UserError

PREFIX = "student_parts"  # how names of such files begin


def merge_parts(files):
    """Puts the files of the parts of a model into one.

    Args:
        files: dict of names of parts to bytes of their TFLite files, which `export_tflite` wrote,
            with the same lengths, inputs and outputs.

    Returns:
        bytes. The metadata are those of the first file.
    """
    merged = None
    for part, content in files.items():
        model = unpack(content)
        for definition in model.signatureDefs:
            length = split_key(definition.signatureKey.decode())[1]
            definition.signatureKey = signature_key(part, length).encode()
        if merged is None:
            merged = model
        else:
            _append(merged, model)
    return _packed(merged)


def part_of(content, part):
    """The file of one part, out of a file of several.

    Args:
        content: bytes of the file.
        part: name of the part.

    Returns:
        bytes of a TFLite file with the signatures of `export_tflite`.

    Raises:
        UserError: the file has no such part.
    """
    model, kept = unpack(content), []
    for definition in model.signatureDefs:
        own, length = split_key(definition.signatureKey.decode())
        if own == part:
            definition.signatureKey = signature_key("", length).encode()
            kept.append(definition)
    if not kept:
        raise UserError(f"`part`={part}: the file has no such part")
    graphs = [model.subgraphs[definition.subgraphIndex] for definition in kept]
    for number, definition in enumerate(kept):
        definition.subgraphIndex = number
    model.signatureDefs, model.subgraphs = kept, graphs
    return _packed(model)


def _packed(model):
    """The bytes of a model, without the buffers that nothing names once equal ones are shared."""
    share_buffers(model)
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    named = [*tensors, *(model.metadata or ())]
    used = sorted({0, *(each.buffer for each in named)})
    places = {buffer: place for place, buffer in enumerate(used)}
    for each in named:
        each.buffer = places[each.buffer]
    model.buffers = [model.buffers[buffer] for buffer in used]
    return pack(model)


def _append(merged, model):
    """Adds the subgraphs, buffers and signatures of a model to another."""
    buffers, graphs = len(merged.buffers), len(merged.subgraphs)
    codes = [_place_of(merged.operatorCodes, code) for code in model.operatorCodes]
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            # Buffer 0 is empty, and stands for what is computed.
            tensor.buffer = tensor.buffer and tensor.buffer + buffers
        for operator in graph.operators:
            operator.opcodeIndex = codes[operator.opcodeIndex]
    for definition in model.signatureDefs:
        definition.subgraphIndex += graphs
    merged.buffers += model.buffers
    merged.subgraphs += model.subgraphs
    merged.signatureDefs += model.signatureDefs


def _place_of(codes, code):
    """The place of an operator in a list of operators, to which it is added if it is missing."""
    for place, known in enumerate(codes):
        if vars(known) == vars(code):
            return place
    codes.append(copy.copy(code))
    return len(codes) - 1


def parts_in(content):
    """The parts of a file.

    Args:
        content: bytes of the file, or a memory map.

    Returns:
        list of str; empty for a file of one model.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(content, 0)
    keys = [
        model.SignatureDefs(place).SignatureKey().decode()
        for place in range(model.SignatureDefsLength())
    ]
    return [part for part in dict.fromkeys(split_key(key)[0] for key in keys) if part]
