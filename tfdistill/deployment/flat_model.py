"""TFLite files as mutable objects, and back: equal data is written once.

A FlatBuffer may refer to one vector from several places. The scales and zero points of weights that
several subgraphs read are such vectors: a file of four signatures would hold them four times.
"""

import hashlib

import numpy as np


def unpack(content):
    """Reads a TFLite file.

    Args:
        content: bytes of the file.

    Returns:
        A `ModelT` of LiteRT's schema.
    """
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))


def pack(model):
    """Writes a TFLite file; buffers of equal content become one.

    Args:
        model: a `ModelT`, which is changed: tensors with equal data get one buffer, and buffers
            that no tensor uses any more are emptied.

    Returns:
        bytes.
    """
    share_buffers(model)
    builder = _sharing_builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def leave_subgraph(model, index):
    """Leaves one subgraph in a model, and behind it those of its loops, numbered anew.

    Args:
        model: a `ModelT`, which is changed.
        index: place of the subgraph; its loops have none inside.

    Returns:
        The subgraph, now the first.
    """
    from ai_edge_litert import schema_py_generated as schema

    options = [operator.builtinOptions for operator in model.subgraphs[index].operators]
    loops = [each for each in options if isinstance(each, schema.WhileOptionsT)]
    parts = [part for each in loops for part in (each.condSubgraphIndex, each.bodySubgraphIndex)]
    kept = [index, *dict.fromkeys(parts)]
    for each in loops:
        each.condSubgraphIndex = kept.index(each.condSubgraphIndex)
        each.bodySubgraphIndex = kept.index(each.bodySubgraphIndex)
    model.subgraphs = [model.subgraphs[place] for place in kept]
    return model.subgraphs[0]


def share_buffers(model):
    """Makes tensors name the first of several equal buffers, and empties those left unnamed.

    Args:
        model: a `ModelT`, which is changed.
    """
    first, kept = {}, []
    for number, buffer in enumerate(model.buffers):
        filled = buffer.data is not None and len(buffer.data)
        key = _digest(np.asarray(buffer.data, np.uint8)) if filled else number
        kept.append(first.setdefault(key, number))
    named = {entry.buffer for entry in model.metadata or ()}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        tensor.buffer = kept[tensor.buffer]
        named.add(tensor.buffer)
    for number, buffer in enumerate(model.buffers):
        if number not in named:
            buffer.data = None


def _digest(array):
    """Equal for arrays of equal type and content."""
    return array.dtype.str, hashlib.blake2b(array.tobytes()).digest()


def _sharing_builder():
    """A FlatBuffers builder that writes equal NumPy vectors once."""
    import flatbuffers

    class SharingBuilder(flatbuffers.Builder):
        def __init__(self):
            super().__init__(1024)
            self.written = {}

        def CreateNumpyVector(self, x):  # noqa: N802, the library's name
            key = _digest(x)
            if key not in self.written:
                self.written[key] = super().CreateNumpyVector(x)
            return self.written[key]

    return SharingBuilder()
