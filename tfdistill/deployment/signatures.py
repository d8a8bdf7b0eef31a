"""The signatures of TFLite files: one for each length of rows that a file takes.

A file of one length has the signature `serving_default`; a file of several has `tokens_16`,
`tokens_32` and so on, whose subgraphs share their weights. In a file of several parts of a model
the part's name stands before that, or alone (see `parts_file`). TensorFlow is not needed.
"""

import dataclasses
import numbers
import struct

from tfdistill.system.errors import UserError

SIGNATURE = "serving_default"
LOGITS, PROBABILITIES, EMBEDDING = "logits", "probabilities", "embedding"  # names of outputs
ROW_INPUTS = {"input_ids", "attention_mask"}
TOKEN_INPUTS = ROW_INPUTS | {"token_type_ids"}  # of heads without further inputs
SHORT_LENGTHS = 16, 32, 64, 128  # of files for any text, beside the longest
SHORTEST = 3  # [CLS], a token, [SEP]
_SUBGRAPHS, _SIGNATURES, _SUBGRAPH_INDEX = 8, 18, 12  # places in the tables of LiteRT's schema
_CONDITION, _BODY = 4, 6  # places in the options of WHILE
_NUMBER = "<I"
_TOKENS = "tokens_"


def usual_lengths(length):
    """The lengths of a file's rows, unless others are named: 16, 32, 64, 128, as far as they fit.

    Args:
        length: most tokens in a row.

    Returns:
        tuple of int, ascending; the last is `length`.
    """
    return (*(each for each in SHORT_LENGTHS if each < length), length)


def lengths_of(text, length):
    """Reads the setting `tflite_lengths`.

    Args:
        text: whole numbers, separated by commas; "" for the usual ones.
        length: most tokens in a row, which are always one of the lengths.

    Returns:
        tuple of int, ascending; the last is `length`.

    Raises:
        UserError: the text has something else, or a number that is too small or too large.
    """
    if not text:
        return usual_lengths(length)
    try:
        found = {int(part) for part in text.split(",")}
    except ValueError:
        raise UserError(
            f"`tflite_lengths`={text}: give whole numbers, separated by commas, such as 32,64"
        ) from None
    if wrong := [each for each in found if not SHORTEST <= each <= length]:
        raise UserError(
            f"`tflite_lengths`={text}: {wrong[0]} is not from {SHORTEST} to `length`={length}: "
            "leave it out"
        )
    return tuple(sorted(found | {length}))


def as_lengths(length):
    """Lengths as a tuple of int, ascending.

    Args:
        length: a number, or a tuple or list of numbers.

    Raises:
        UserError: the tuple is empty, or holds something else than whole numbers from 3.
    """
    given = tuple(length) if isinstance(length, tuple | list) else (length,)
    if not given or not all(isinstance(n, numbers.Integral) and n >= SHORTEST for n in given):
        raise UserError(
            f"`length`={length!r}: give a whole number of at least {SHORTEST}, or a tuple of them"
        )
    return tuple(sorted(set(map(int, given))))


def names_of(lengths):
    """The names of the signatures of a file.

    Args:
        lengths: tuple of int, tokens in a row.

    Returns:
        dict of lengths to str.
    """
    if len(lengths) == 1:
        return {lengths[0]: SIGNATURE}
    return {length: signature_key("", length) for length in lengths}


def signature_key(part, length):
    """The key of a signature.

    Args:
        part: name of the part of a model; "" for a file of one model.
        length: tokens in a row; None for a file of one length.
    """
    tokens = "" if length is None else f"{_TOKENS}{length}"
    return "_".join(filter(None, (part, tokens))) or SIGNATURE


def split_key(key):
    """The reverse of `signature_key`: (part, length)."""
    if key == SIGNATURE:
        return "", None
    part, found, length = key.rpartition(_TOKENS)
    if not found or not length.isdecimal():
        return key, None
    return part.removesuffix("_"), int(length)


@dataclasses.dataclass(frozen=True)
class Signature:
    """A signature of a file.

    Attributes:
        name: its key.
        index: its place in the list of signatures.
        inputs, outputs: dicts of names to shapes, tuples of int.
        tensors: dict of the names of the graph's input tensors to those of the inputs, in the
            graph's order.
    """

    name: str
    index: int
    inputs: dict
    outputs: dict
    tensors: dict

    @property
    def length(self):
        """Tokens in a row."""
        return self.inputs["input_ids"][1]


def read_signatures(content, part=""):
    """Reads the signatures that `export_tflite` wrote.

    Args:
        content: the file's bytes, or a memory map of them; LiteRT can open it.
        part: the part of a model, in a file of several; "" for a file of one model.

    Returns:
        dict of lengths to `Signature`s, ascending; empty for a file of another kind, or without
        the part.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(content, 0)
    found = [_signature(model, index) for index in range(model.SignatureDefsLength())]
    found = [each for each in found if split_key(each.name)[0] == part]
    if not all(map(_is_known, found)):
        return {}
    by_length = {each.length: each for each in found}
    return {length: by_length[length] for length in sorted(by_length)}


def _signature(model, index):
    definition = model.SignatureDefs(index)
    graph = model.Subgraphs(definition.SubgraphIndex())

    def shapes(entry, count):
        tensors = {}
        for place in range(count):
            tensor = graph.Tensors(entry(place).TensorIndex())
            shape = tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength()))
            tensors[entry(place).Name().decode()] = shape
        return tensors

    inputs = shapes(definition.Inputs, definition.InputsLength())
    outputs = shapes(definition.Outputs, definition.OutputsLength())
    entries = [definition.Inputs(place) for place in range(definition.InputsLength())]
    names = {entry.TensorIndex(): entry.Name().decode() for entry in entries}
    places = [graph.Inputs(place) for place in range(graph.InputsLength())]
    tensors = {graph.Tensors(each).Name().decode(): names[each] for each in places if each in names}
    return Signature(definition.SignatureKey().decode(), index, inputs, outputs, tensors)


def _is_known(signature):
    rows = {name: shape for name, shape in signature.inputs.items() if name in ROW_INPUTS}
    return (
        ROW_INPUTS <= rows.keys()
        and all(len(shape) == 2 and shape[1] > 0 for shape in rows.values())
        and all(signature.outputs.values())  # no scalars
        and signature.outputs.keys() - {PROBABILITIES} in ({LOGITS}, {EMBEDDING})
    )


def only(content, index):
    """Leaves one signature in a file, so that LiteRT prepares this one's subgraphs alone.

    Args:
        content: bytes of the file, or a memory map.
        index: place of the signature.

    Returns:
        bytes of the file, of the same size: the first places of the lists of subgraphs and
        signatures name those that are left, the signature's own and those of its loops.
    """
    changed = bytearray(content)
    for place, value in changes_for_one(content, index).items():
        struct.pack_into(_NUMBER, changed, place, value)
    return bytes(changed)


def changes_for_one(content, index):
    """The changes of `only`.

    Args:
        content, index: as for `only`.

    Returns:
        dict of places in the file, in bytes, to the little-endian uint32 to write there.
    """
    from ai_edge_litert import schema_py_generated as schema

    model, found = schema.Model.GetRootAsModel(content, 0), {}
    graph = model.SignatureDefs(index).SubgraphIndex()
    definition = model.SignatureDefs(index)._tab
    if place := definition.Offset(_SUBGRAPH_INDEX):  # else it is the default, the first
        found[definition.Pos + place] = 0
    loops = _loops(model.Subgraphs(graph), schema)
    kept = [graph, *dict.fromkeys(loops.values())]
    found |= {place: kept.index(subgraph) for place, subgraph in loops.items()}
    for field, chosen in ((_SUBGRAPHS, kept), (_SIGNATURES, [index])):
        first = model._tab.Vector(model._tab.Offset(field))
        found[first - 4] = len(chosen)
        for number, each in enumerate(chosen):
            step = 4 * (each - number)  # a place holds the distance from itself
            (distance,) = struct.unpack_from(_NUMBER, content, first + 4 * each)
            found[first + 4 * number] = distance + step
    return found


def _loops(graph, schema):
    """The subgraphs of the WHILEs of a graph, which have none inside.

    Returns:
        dict of places in the file, in bytes, that name a subgraph to its number.
    """
    found = {}
    for operator in map(graph.Operators, range(graph.OperatorsLength())):
        if operator.BuiltinOptionsType() == schema.BuiltinOptions.WhileOptions:
            options = operator.BuiltinOptions()
            for field in (_CONDITION, _BODY):
                place = options.Pos + options.Offset(field)
                (found[place],) = struct.unpack_from(_NUMBER, options.Bytes, place)
    return found


def table_rows(content):
    """The rows of the table of word embeddings: the largest of which a file gathers rows.

    A float16 table is the input of a DEQUANTIZE operator, whose output is gathered from.

    Args:
        content: as for `read_signatures`.

    Returns:
        int; 0 for a file without.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAsModel(content, 0)
    codes = [model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())]
    graph, found, converted = model.Subgraphs(0), 0, {}
    for operator in map(graph.Operators, range(graph.OperatorsLength())):
        if not operator.InputsLength() or operator.Inputs(0) < 0:
            continue
        code = codes[operator.OpcodeIndex()]
        if code == schema.BuiltinOperator.DEQUANTIZE:
            converted[operator.Outputs(0)] = operator.Inputs(0)
        if code == schema.BuiltinOperator.GATHER:
            table = graph.Tensors(converted.get(operator.Inputs(0), operator.Inputs(0)))
            stored = model.Buffers(table.Buffer()).DataLength()  # else it is computed
            if stored and table.ShapeLength():
                found = max(found, table.Shape(0))
    return found
