"""Stores the embedding table of an int8 TFLite file once, with one scale per token.

TensorFlow's dynamic-range quantisation writes a table that is both looked up and multiplied by
twice: for GATHER with one scale for the whole table, for FULLY_CONNECTED with one scale per row.
The second copy is the better one (rows of rare tokens are small), so here the lookup reads it
too: it gathers the integers, gathers their rows' scales, and multiplies. Half the bytes of the
table, and a smaller error than either file TensorFlow makes. A table that is only looked up is
quantised again, with a scale for each row.
"""

import copy

import numpy as np

from tfdistill.deployment.flat_model import pack, unpack

MOST = 127  # the largest integer of a symmetric int8


def scale_table_by_rows(content, table):
    """Makes the lookups of tokens read rows that are quantised with a scale for each.

    Args:
        content: bytes of a dynamic-range int8 TFLite file; each signature has a lookup.
        table: float32 (vocab, width), the word embeddings. The rows of an output projection that
            shares them are read instead, so that the file has one copy.

    Returns:
        bytes of the same model with one copy of the table.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(content)
    for subgraph in model.subgraphs:
        graph = _Graph(model, subgraph, schema)
        for lookup, dequantize in graph.lookups():
            projection = graph.projection_of(lookup)
            if projection is not None:
                graph.share(lookup, dequantize, projection)
            elif tuple(graph.tensor(lookup.inputs[0]).shape) == table.shape:
                graph.quantise_again(lookup, dequantize, table)
    return pack(model)


class _Graph:
    """A subgraph of a TFLite model, as mutable objects."""

    def __init__(self, model, graph, schema):
        self.model, self.graph, self.schema = model, graph, schema

    def operators(self, code):
        wanted = getattr(self.schema.BuiltinOperator, code)
        codes = self.model.operatorCodes
        return [o for o in self.graph.operators if codes[o.opcodeIndex].builtinCode == wanted]

    def tensor(self, index):
        return self.graph.tensors[index]

    def lookups(self):
        """Pairs (GATHER from an int8 table, DEQUANTIZE of its rows)."""
        by_input = {o.inputs[0]: o for o in self.operators("DEQUANTIZE")}
        return [
            (lookup, by_input[lookup.outputs[0]])
            for lookup in self.operators("GATHER")
            if self._is_int8_matrix(lookup.inputs[0]) and lookup.outputs[0] in by_input
        ]

    def projection_of(self, lookup):
        """The row-scaled weights of a FULLY_CONNECTED that hold the lookup's table, or None."""
        table = self.tensor(lookup.inputs[0])
        for operator in self.operators("FULLY_CONNECTED"):
            weights = self.tensor(operator.inputs[1])
            if (
                self._is_int8_matrix(operator.inputs[1])
                and tuple(weights.shape) == tuple(table.shape)
                and len(weights.quantization.scale) == weights.shape[0]
                and self._same_values(table, weights)
            ):
                return weights
        return None

    def _is_int8_matrix(self, index):
        tensor = self.tensor(index)
        int8 = tensor.type == self.schema.TensorType.INT8
        return int8 and len(tensor.shape) == 2 and self._values(tensor) is not None

    def _values(self, tensor):
        data = self.model.buffers[tensor.buffer].data
        return None if data is None else np.asarray(data, np.uint8).view(np.int8)

    def _same_values(self, table, weights):
        """Both round the same numbers: they differ by no more than the two roundings."""
        step, steps = table.quantization.scale[0], np.asarray(weights.quantization.scale)
        shape = tuple(table.shape)
        first = self._values(table).reshape(shape) * np.float32(step)
        second = self._values(weights).reshape(shape) * steps[:, None]
        return bool(np.all(np.abs(first - second) <= 0.51 * (step + steps[:, None])))

    def share(self, lookup, dequantize, weights):
        """Makes a lookup read the integers of a projection."""
        self.tensor(lookup.inputs[0]).buffer = weights.buffer
        self._scale_rows(lookup, dequantize, weights.quantization.scale)

    def quantise_again(self, lookup, dequantize, values):
        """Replaces the integers of a lookup's table: its rows are rounded to steps of their own."""
        largest = np.abs(values).max(axis=1)
        scales = np.where(largest > 0, largest, 1.0) / MOST
        integers = np.round(values / scales[:, None]).astype(np.int8)
        buffer = self.model.buffers[self.tensor(lookup.inputs[0]).buffer]
        buffer.data = integers.reshape(-1).view(np.uint8)
        self._scale_rows(lookup, dequantize, scales)

    def _scale_rows(self, lookup, dequantize, scales):
        """Multiplies what a lookup gathers by the scales of its rows."""
        table, rows = self.tensor(lookup.inputs[0]), self.tensor(lookup.outputs[0])
        for tensor in (table, rows):  # DEQUANTIZE now only casts
            tensor.quantization.scale = np.ones(1, np.float32)
            tensor.quantization.zeroPoint = np.zeros(1, np.int64)
        scales = np.asarray(scales, np.float32)
        scale_table = self._add_tensor("row_scales", (len(scales), 1), scales)
        lead = tuple(rows.shape[:-1])
        row_scale = self._add_tensor("row_scale", (*lead, 1))  # (batch, length, 1)
        integers = self._add_tensor("integer_rows", tuple(rows.shape))  # (batch, length, hidden)
        embeddings, dequantize.outputs = dequantize.outputs[0], [integers]
        after = self.graph.operators.index(dequantize) + 1
        self.graph.operators[after:after] = [
            _like(lookup, [scale_table, lookup.inputs[1]], row_scale),
            self._multiplication([integers, row_scale], embeddings),
        ]

    def _multiplication(self, inputs, output):
        """A MUL without an activation. Every model has some: norms, or the loop of an LSTM."""
        wanted, schema = self.schema.BuiltinOperator.MUL, self.schema
        codes = [code.builtinCode for code in self.model.operatorCodes]
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = codes.index(wanted), inputs, [output]
        made.builtinOptionsType = schema.BuiltinOptions.MulOptions
        made.builtinOptions = schema.MulOptionsT()
        return made

    def _add_tensor(self, name, shape, values=None):
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.hasRank = name.encode(), list(shape), True
        tensor.type = self.schema.TensorType.FLOAT32
        tensor.buffer = 0  # the empty buffer: computed when the model runs
        if values is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1


def _like(operator, inputs, output):
    """A new operator of the same kind and options."""
    made = copy.copy(operator)
    made.inputs, made.outputs = inputs, [output]
    return made
