"""Checks the structure of a TFLite file before a runtime maps it.

A runtime trusts the places and numbers in a file: those of a damaged one lead anywhere. Here every
table, vector and string of LiteRT's schema must lie inside the file, every number that names a
buffer, tensor, operator or subgraph must name one, and constant tensors must have as many bytes as
their shape says. TensorFlow and LiteRT are not needed.

The format: https://flatbuffers.dev/internals; the schema: `ai_edge_litert.schema_py_generated`.
"""

import math
import struct

from tfdistill.system.errors import UserError

IDENTIFIER = b"TFL3"
MOST_BYTES = 1 << 31  # of a tensor that is computed, more than LiteRT can address
_SIZES = {"byte": 1, "int": 4, "long": 8}
_INT, _OFFSET = struct.Struct("<i").unpack_from, struct.Struct("<I").unpack_from
_PAIR = struct.Struct("<HH").unpack_from
_NUMBERS = {"byte": struct.Struct("<b").unpack_from, "int": _INT}
# Fields of each table, by their places in its vtable. "[int]" is a vector of numbers, "[Tensor]"
# one of tables, "Tensor" a table, "text" a string, "options" a table whose kind the field before
# names, "none" what no exported file has.
_TABLES = {
    "Model": {4: "int", 6: "[OperatorCode]", 8: "[SubGraph]", 10: "text", 12: "[Buffer]"}
    | {14: "[int]", 16: "[Metadata]", 18: "[SignatureDef]", 20: "none", 22: "none"},
    "OperatorCode": {4: "byte", 6: "text", 8: "int", 10: "int"},
    "SubGraph": {4: "[Tensor]", 6: "[int]", 8: "[int]", 10: "[Operator]", 12: "text", 14: "int"},
    "Tensor": {4: "[int]", 6: "byte", 8: "int", 10: "text", 12: "Quantization", 14: "byte"}
    | {16: "none", 18: "[int]", 20: "byte", 22: "none", 24: "int"},
    "Quantization": {4: "[int]", 6: "[int]", 8: "[int]", 10: "[long]", 12: "byte", 14: "none"}
    | {16: "int"},
    "Operator": {4: "int", 6: "[int]", 8: "[int]", 10: "byte", 12: "options", 14: "[byte]"}
    | {16: "byte", 18: "[byte]", 20: "[int]", 22: "none", 24: "none", 26: "byte", 28: "none"}
    | {30: "int"},
    "Buffer": {4: "[byte]", 6: "none", 8: "none"},
    "Metadata": {4: "text", 6: "int"},
    "SignatureDef": {4: "[TensorMap]", 6: "[TensorMap]", 8: "text", 12: "int"},
    "TensorMap": {4: "text", 6: "int"},
}
# Options of operators that hold a vector, by their number in the schema's union; others hold
# numbers alone, or are those of operators that no exported file has.
_WITH_VECTOR = {8: 14, 17: 4, 30: 4}  # FULLY_CONNECTED, RESHAPE, SQUEEZE
_WHILE = 93
_WITH_PARTS = frozenset((16, 92, 103))  # CALL, IF, CALL_ONCE: they name subgraphs, too
_OTHERS = _WITH_PARTS | {3, 111, 115}  # CONCAT_EMBEDDINGS, VAR_HANDLE, BUCKETIZE: vectors, too
# Bytes of a number, by the tensor's type in the schema.
_OF_TYPE = {
    0: 4,
    1: 2,
    2: 4,
    3: 1,
    4: 8,
    6: 1,
    7: 2,
    8: 8,
    9: 1,
    10: 8,
    11: 16,
    12: 8,
    15: 4,
    16: 2,
}
_INT4 = 17


class _Damaged(Exception):
    """What is wrong with a file."""


def require_sound(path, content):
    """Refuses a TFLite file whose parts do not lie where it says, or do not fit together.

    Args:
        path: the file, for the message.
        content: its bytes, or a memory map.

    Raises:
        UserError: the file is damaged, or holds what `export_tflite` does not write.
    """
    try:
        _Reader(content).check()
    except (_Damaged, struct.error, IndexError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no readable TFLite file ({error}): export it again") from None


class _Reader:
    """Reads the tables of a file, each once, as dicts of places in their vtables to values."""

    def __init__(self, content):
        self._content, self._end = content, len(content)
        self._known, self._layouts = {}, {}
        self._left = self._end  # entries that may still be read: a file has no more than bytes

    def check(self):
        if self._end < 8 or self._content[4:8] != IDENTIFIER:
            raise _Damaged("it does not begin like one")
        model = self._table("Model", self._offset(0))
        subgraphs, buffers = model.get(8, ()), model.get(12, ())
        if model.get(4) != 3 or not subgraphs or not buffers:
            raise _Damaged("another version, or nothing in it")
        loops = {}  # of each subgraph: those that its loops name
        for graph in {id(each): each for each in subgraphs}.values():
            named = self._check_graph(graph, buffers, len(model.get(6, ())))
            _require("subgraphs", named, len(subgraphs))
            loops[id(graph)] = [id(subgraphs[number]) for number in named]
        if any(loops[inner] for named in loops.values() for inner in named):
            raise _Damaged("loops within loops")
        for entry in model.get(16, ()):
            _require("metadata", [entry.get(6, 0)], len(buffers))
        _require("metadata", model.get(14, ()), len(buffers))
        for entry in model.get(18, ()):
            _require("signatures", [entry.get(12, 0)], len(subgraphs))
            tensors = len(subgraphs[entry.get(12, 0)].get(4, ()))
            for tensor in (*entry.get(4, ()), *entry.get(6, ())):
                _require("signatures", [tensor.get(6, 0)], tensors)
                if 4 not in tensor:
                    raise _Damaged("a signature without names")
            if 8 not in entry:
                raise _Damaged("a signature without a name")

    def _check_graph(self, graph, buffers, codes):
        """Checks a subgraph; returns the numbers of those that its loops name: a list."""
        tensors, named = graph.get(4, ()), []
        for tensor in tensors:
            _require("buffers", [tensor.get(8, 0)], len(buffers))
            _check_tensor(tensor, buffers[tensor.get(8, 0)].get(4, 0))
        for places in (graph.get(6, ()), graph.get(8, ())):
            _require("tensors", places, len(tensors))
        for operator in graph.get(10, ()):
            _require("operators", [operator.get(4, 0)], codes)
            _require("tensors", operator.get(6, ()), len(tensors), least=-1)
            _require("tensors", operator.get(8, ()), len(tensors))
            if operator.get(10) == _WHILE and 12 in operator:
                fields = self._fields(operator[12])
                if not {4, 6} <= fields.keys():
                    raise _Damaged("a loop without parts")
                named += [_INT(self._content, fields[at])[0] for at in (4, 6)]
        return named

    def _table(self, kind, place):
        """The fields of a table that stands at a place: dict."""
        known = self._known.get((kind, place))
        if known is None:
            known, fields = {}, self._fields(place)
            forms = _TABLES[kind]
            for at, at_place in fields.items():
                form = forms.get(at)  # None: newer than the runtime
                if form in _NUMBERS:
                    known[at] = _NUMBERS[form](self._content, at_place)[0]
                elif form:
                    known[at] = self._value(form, at_place, known.get(at - 2, 0))
            self._known[kind, place] = known
        return known

    def _fields(self, place):
        """dict of places in a table's vtable to those of its fields in the file."""
        vtable = place - _INT(self._content, place)[0]
        size, offsets = self._layouts.get(vtable) or self._layout(vtable)
        if place + size > self._end:
            raise _Damaged("a table outside")
        self._spend(1)
        return {at: place + each for at, each in offsets}

    def _layout(self, vtable):
        """(bytes of a table, pairs of places in its vtable and offsets), which tables share."""
        if vtable < 0:
            raise _Damaged("a table outside")
        length, size = _PAIR(self._content, vtable)
        if length < 4 or length % 2 or vtable + length > self._end:
            raise _Damaged("a table outside")
        self._spend(length)
        offsets = struct.unpack_from(f"<{length // 2 - 2}H", self._content, vtable + 4)
        if max(offsets, default=0) >= max(size, 1):
            raise _Damaged("a field outside its table")
        found = size, [(4 + 2 * i, each) for i, each in enumerate(offsets) if each]
        self._layouts[vtable] = found
        return found

    def _value(self, form, place, before):
        if form == "none":  # an empty vector may be written
            if _OFFSET(self._content, place)[0] and _OFFSET(self._content, self._offset(place))[0]:
                raise _Damaged("parts that no exported file has")
            return None
        place = self._offset(place)
        if form == "text":
            begin, count = self._vector(place, 1)
            bytes(self._content[begin : begin + count]).decode()
            if self._content[begin + count] != 0:  # where C ends it
                raise _Damaged("a name without an end")
            return count
        if form == "options":
            self._check_options(place, before)
            return place
        if not form.startswith("["):
            return self._table(form, place)
        inner = form[1:-1]
        if inner == "byte":
            return self._vector(place, 1)[1]
        if inner in _SIZES:
            begin, count = self._vector(place, _SIZES[inner])
            self._spend(count)
            letter = {"int": "i", "long": "q"}[inner]
            return struct.unpack_from(f"<{count}{letter}", self._content, begin)
        begin, count = self._vector(place, 4)
        self._spend(count)
        starts = struct.unpack_from(f"<{count}I", self._content, begin)
        return [self._table(inner, begin + 4 * i + each) for i, each in enumerate(starts)]

    def _check_options(self, place, kind):
        fields = self._fields(place)
        if kind in _OTHERS:
            raise _Damaged("operators that no exported file has")
        at = fields.get(_WITH_VECTOR.get(kind))
        if at is not None:
            self._vector(self._offset(at), 4)
        if any(field + 8 > self._end for field in fields.values()):
            raise _Damaged("options outside")

    def _vector(self, place, size):
        """(first place, count) of a vector of items of a size."""
        count = _OFFSET(self._content, place)[0]
        if place + 4 + count * size > self._end:
            raise _Damaged("more data than bytes")
        return place + 4, count

    def _offset(self, place):
        return place + _OFFSET(self._content, place)[0]

    def _spend(self, entries):
        self._left -= entries
        if self._left < 0:
            raise _Damaged("tables within tables")


def _check_tensor(tensor, length):
    """Compares a tensor's shape with the bytes of its buffer, `length`; 0 for a computed one."""
    shape, kind = tensor.get(4, ()), tensor.get(6, 0)
    if min(shape, default=0) < 0:
        raise _Damaged("a negative shape")
    count = math.prod(shape)
    size = (count + 1) // 2 if kind == _INT4 else count * _OF_TYPE.get(kind, 1)
    if length and kind in _OF_TYPE and size != length:
        raise _Damaged(f"a tensor of {size:,} bytes has {length:,}")
    if not length and size >= MOST_BYTES:
        raise _Damaged(f"a tensor of {size:,} bytes")
    scales = len(tensor.get(12, {}).get(8, ()))
    axis = tensor.get(12, {}).get(16, 0)
    if scales > 1 and not (0 <= axis < len(shape) and shape[axis] == scales):
        raise _Damaged("scales of another number than channels")
    if scales and len(tensor[12].get(10, (0,) * scales)) not in (0, scales):
        raise _Damaged("scales without zero points")


def _require(what, numbers, count, least=0):
    """Refuses numbers that name none of `count` parts."""
    if numbers and not (least <= min(numbers) and max(numbers) < count):
        raise _Damaged(f"one of its {what} is missing")
