"""TFLite files for MediaPipe's TextClassifier and TextEmbedder, made from exported ones.

Such a file has the inputs `ids`, `mask` and `segment_ids`, one output, and metadata in the format
of TFLite's metadata_schema.fbs: which input is which, the vocabulary of BERT's tokenizer, and the
names of the classes. The two text files lie in a ZIP archive at the end of the TFLite file.

TensorFlow is not needed.
"""

import io
import zipfile

import numpy as np

from tfdistill.deployment.flat_model import leave_subgraph, pack, unpack
from tfdistill.deployment.signatures import PROBABILITIES, SIGNATURE

INPUTS = {"input_ids": "ids", "attention_mask": "mask", "token_type_ids": "segment_ids"}
VOCABULARY_FILE, LABELS_FILE = "vocab.txt", "labels.txt"  # in the archive
_METADATA, _IDENTIFIER, _VERSION = b"TFLITE_METADATA", b"M001", "1.1.0"  # of a BertTokenizer
_AXIS_LABELS, _VOCABULARY, _BERT_TOKENIZER = 2, 5, 4  # numbers of the schema


def mediapipe_file(content, vocabulary, labels=()):
    """Makes a file for MediaPipe.

    Args:
        content: bytes of a TFLite file that `export_tflite` wrote, of a model with named classes or
            of a sentence encoder; its signature of the longest rows is taken.
        vocabulary: list of the tokens, by id.
        labels: the names of the classes, in the order of the logits; () for a sentence encoder.

    Returns:
        bytes of the new file.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(content)
    graph = _longest_alone(model)
    _rename_inputs(model, graph, schema)
    output = _leave_one_output(model, graph, labels)
    names = [graph.tensors[place].name.decode() for place in graph.inputs]
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(_describe(names, output, bool(labels)), np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = _METADATA, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    files = {VOCABULARY_FILE: vocabulary} | ({LABELS_FILE: labels} if labels else {})
    return _with_files(pack(model), files)


def _longest_alone(model):
    """Removes all signatures but that of the longest rows, and returns its subgraph."""

    def length(definition):
        graph = model.subgraphs[definition.subgraphIndex]
        return max(graph.tensors[entry.tensorIndex].shape[1] for entry in definition.inputs)

    longest = max(model.signatureDefs, key=length)
    graph = leave_subgraph(model, longest.subgraphIndex)
    longest.signatureKey, longest.subgraphIndex = SIGNATURE.encode(), 0
    model.signatureDefs = [longest]
    return graph


def _rename_inputs(model, graph, schema):
    """Gives the inputs MediaPipe's names; a model without token types ignores its third one."""
    (definition,) = model.signatureDefs
    for entry in definition.inputs:
        entry.name = INPUTS[entry.name.decode()].encode()
        graph.tensors[entry.tensorIndex].name = entry.name
    found = {entry.name.decode() for entry in definition.inputs}
    for name in set(INPUTS.values()) - found:
        tensor, entry = schema.TensorT(), schema.TensorMapT()
        first = graph.tensors[definition.inputs[0].tensorIndex]
        tensor.name, tensor.shape, tensor.type = name.encode(), first.shape, first.type
        tensor.buffer, tensor.hasRank = 0, True  # the empty buffer
        graph.tensors.append(tensor)
        entry.name, entry.tensorIndex = name.encode(), len(graph.tensors) - 1
        definition.inputs.append(entry)
        graph.inputs = np.append(graph.inputs, np.int32(entry.tensorIndex))


def _leave_one_output(model, graph, labels):
    """Leaves the output that MediaPipe reads, and returns its name in the metadata."""
    (definition,) = model.signatureDefs
    if labels:
        definition.outputs = [e for e in definition.outputs if e.name == PROBABILITIES.encode()]
    (output,) = definition.outputs
    graph.outputs = np.array([output.tensorIndex], np.int32)
    return "probability" if labels else output.name.decode()


def _describe(inputs, output, has_labels):
    """The metadata: bytes of a FlatBuffer, the schema's `ModelMetadata`.

    Args:
        inputs: names of the inputs, in the order of the subgraph.
        output: name of the output.
        has_labels: whether a file names the classes.
    """
    import flatbuffers

    builder = flatbuffers.Builder(1024)

    def vector(*tables):
        builder.StartVector(4, len(tables), 4)
        for table in reversed(tables):
            builder.PrependUOffsetTRelative(table)
        return builder.EndVector()

    def table(parts, number=None):
        """A table of parts by their places in the schema, and of a number of one byte."""
        builder.StartObject(1 + max([*parts, *(number or ())]))
        for place, part in parts.items():
            builder.PrependUOffsetTRelativeSlot(place, part, 0)
        for place, value in (number or {}).items():
            builder.PrependUint8Slot(place, value, 0)
        return builder.EndObject()

    def file(name, kind):  # AssociatedFile: name, description, type
        return table({0: builder.CreateString(name)}, {2: kind})

    def tensor(name, *files):  # TensorMetadata: name, …, associated_files
        parts = {0: builder.CreateString(name)}
        return table(parts | ({6: vector(*files)} if files else {}))

    tokenizer = table({0: vector(file(VOCABULARY_FILE, _VOCABULARY))})  # BertTokenizerOptions
    unit = table({1: tokenizer}, {0: _BERT_TOKENIZER})  # ProcessUnit: options_type, options
    labels = [file(LABELS_FILE, _AXIS_LABELS)] if has_labels else []
    graph = {  # SubGraphMetadata: …, input_tensor_metadata, output_…, …, input_process_units
        2: vector(*map(tensor, inputs)),
        3: vector(tensor(output, *labels)),
        5: vector(unit),
    }
    # ModelMetadata: …, subgraph_metadata, …, min_parser_version
    root = {3: vector(table(graph)), 7: builder.CreateString(_VERSION)}
    builder.Finish(table(root), _IDENTIFIER)
    return bytes(builder.Output())


def _with_files(content, files):
    """Appends text files, a line for each entry, as a ZIP archive without compression."""
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for name, lines in files.items():
            text = "".join(f"{line}\n" for line in lines)
            archive.writestr(zipfile.ZipInfo(name), text.encode("utf-8"))
    return whole.getvalue()
