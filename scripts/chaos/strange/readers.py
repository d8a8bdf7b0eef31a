"""Readers of single files, and what writes valid ones."""

import io
import json

import numpy as np


def shapes_of(config):
    """dict of the names of a tiny BERT's tensors to their shapes."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    layer = "bert.encoder.layer.0."
    embeddings = {"word": "vocab_size", "position": "max_position_embeddings"}
    embeddings["token_type"] = "type_vocab_size"
    found = {
        f"bert.embeddings.{kind}_embeddings.weight": (config[size], width)
        for kind, size in embeddings.items()
    }
    found |= {
        f"{layer}attention.{part}.weight": (width, width)
        for part in ("self.query", "self.key", "self.value", "output.dense")
    }
    found |= {f"{layer}intermediate.dense.weight": (inner, width)}
    found |= {f"{layer}output.dense.weight": (width, inner)}
    found |= {"cls.predictions.transform.dense.weight": (width, width)}
    biases = {name.replace(".weight", ".bias"): (shape[0],) for name, shape in found.items()}
    found |= {name: shape for name, shape in biases.items() if "embeddings" not in name}
    norms = ("bert.embeddings", f"{layer}attention.output", f"{layer}output")
    for norm in (*norms, "cls.predictions.transform"):
        found |= {f"{norm}.LayerNorm.{part}": (width,) for part in ("weight", "bias")}
    return found | {"cls.predictions.bias": (config["vocab_size"],)}


def safetensors(config):
    """The bytes of a tiny BERT's model.safetensors."""
    from safetensors.numpy import save

    tensors = {name: np.ones(shape, np.float32) for name, shape in shapes_of(config).items()}
    return save(tensors, {"format": "pt"})


def npy(array):
    """The bytes of an array's `.npy` file."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def tensors(folder):
    """Reads a model as `load_model` does, whose layers would take long to make."""
    from tfdistill.models.hugging_face.tensors import CheckpointTensors

    values = json.loads((folder / "config.json").read_text())
    found = CheckpointTensors(folder, "bert")
    found.numbers  # noqa: B018 (a property that reads)
    for name, shape in shapes_of(values).items():
        found.read(name.removeprefix("bert."), shape)


def config(folder):
    """Reads a config.json as every model type, and for the length of its model."""
    import contextlib

    from tfdistill.models.configs.config_files import CONFIG, config_of, read_config, read_json
    from tfdistill.models.configs.model_types import MODEL_TYPES
    from tfdistill.run.held_out import length_of
    from tfdistill.system.errors import UserError

    for kind in MODEL_TYPES:
        with contextlib.suppress(UserError):
            read_config(folder, kind).to_hugging_face()
    length_of(folder)
    config_of(read_json(folder / CONFIG), folder / CONFIG)


def tokenizer(folder):
    """Opens a tokenizer and cuts a text, which it must give back."""
    from tfdistill.data.tokenizer import load_tokenizer

    found = load_tokenizer(str(folder))
    row = found.encode("The whale, [MASK] sank.", 8)
    found.decode([int(i) for i in np.ravel(row[0])])
    (folder / "saved").mkdir()
    found.save(folder / "saved")


def modules(folder):
    """Reads the files of a sentence encoder."""
    from tfdistill.models.hugging_face import sentence_encoders

    inner = sentence_encoders.transformer_folder(folder)
    if not inner.resolve().is_relative_to(folder.resolve()):
        raise AssertionError(f"{inner} lies outside")
    sentence_encoders.read_modules(folder)
    sentence_encoders.sentence_pooling(folder)


def flagfile(folder):
    """Reads a command line with a flagfile."""
    from tfdistill.train import COMMAND

    COMMAND.config([f"--flagfile={folder / 'run.flags'}"])


def corpus(folder):
    """Reads all documents of all splits of a corpus."""
    from tfdistill.data.corpus import open_corpus

    found = open_corpus(str(folder))
    for split in found.splits.values():
        for document in split():
            for line in document:
                line.encode()


def labelled(kind):
    """A function of a folder that reads its one file of examples with labels, in both ways."""

    def read(folder):
        from tfdistill.data.labelled.examples import Reading
        from tfdistill.data.labelled.opening import open_labelled
        from tfdistill.system.errors import UserError

        (file,) = folder.iterdir()
        error = None
        for skip in (False, True):
            try:
                found = open_labelled(
                    kind, train_data=str(file), reading=Reading(skip_bad_rows=skip)
                )
                assert found.splits
            except UserError as failed:
                error = failed
        if error:
            raise error

    return read


def vectors(folder):
    """Reads word vectors and asks for neighbours."""
    from tfdistill.data.augmentation.word_vectors import load_word_vectors

    file = next(path for path in sorted(folder.iterdir()) if path.name.startswith("vectors"))
    load_word_vectors(file).nearest(["whale", "ship"], 2)


def shards(words, text):
    """A prepared corpus."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        _write_words(folder, words)
        (folder / "text.txt").write_text(text)
        directory = _prepare(folder).directory
        files = {f"shards/{directory.name}/{p.name}": p.read_bytes() for p in directory.iterdir()}
    return files | {"vocabulary/vocab.txt": "\n".join(words).encode(), "text.txt": text.encode()}


def _write_words(folder, words):
    (folder / "vocabulary").mkdir()
    (folder / "vocabulary" / "vocab.txt").write_text("\n".join(words))


def _prepare(folder):
    from tfdistill.data.corpus import open_corpus
    from tfdistill.data.shards import prepare
    from tfdistill.data.tokenizer import load_tokenizer

    corpus = open_corpus(str(folder / "text.txt"))
    return prepare(corpus, load_tokenizer(str(folder / "vocabulary")), folder / "shards")


def read_shards(folder):
    """Opens a prepared corpus, which is made again where it is damaged."""
    prepared = _prepare(folder)
    assert isinstance(prepared.warnings, list)
    for split in ("train", "validation", "test"):
        shard = prepared.shard(split)
        assert len(shard.ids) > len(shard.offsets) > 0 and len(shard.counts)


def row_store():
    """A teacher cache of 6 rows."""
    import tempfile
    from pathlib import Path

    from tfdistill.data.row_store import RowStore

    with tempfile.TemporaryDirectory() as folder:
        store = RowStore(Path(folder), "logits", (6, 3), np.float16)
        store.write(np.arange(4), np.ones((4, 3)))
        store.mark()
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def read_row_store(folder):
    """Reads the marked rows of a teacher cache."""
    from tfdistill.data.row_store import RowStore

    store = RowStore(folder, "logits", (6, 3), np.float16)
    store.read(np.flatnonzero(store.there))


IDENTITY = {"teacher": "a", "data": "b"}


def answers():
    """A teacher's kept answers."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        _kept(Path(folder))
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _kept(folder):
    from tfdistill.data.labelled.answers import kept_answers

    return kept_answers(folder, IDENTITY, lambda *_: np.ones((5, 2), np.float32))


def read_answers(folder):
    """Opens kept answers, which are made again where they are damaged; they must be right."""
    assert (np.asarray(_kept(folder)) == 1).all()


class _Variable:
    """As much of a Keras variable as a checkpoint needs."""

    def __init__(self, shape):
        self.shape, self.value = shape, np.ones(shape, np.float32)

    def numpy(self):
        return self.value

    def assign(self, value):
        self.value = np.asarray(value, np.float32)


def _variables():
    return {"weights/0": _Variable((4, 3)), "moments/0": _Variable((4, 3)), "step": _Variable(())}


def checkpoint():
    """Two checkpoints of a stage."""
    import tempfile
    from pathlib import Path

    from tfdistill.training.checkpoints import StageState

    with tempfile.TemporaryDirectory() as folder:
        state = StageState(folder, "student")
        for step in (10, 20):
            state.rows.append({"step": step, "loss": 1.0})
            state.unlogged.add({"loss": 2.0}, 1)
            state.save(step, _variables(), 3.5)
        files = (Path(folder) / "student").iterdir()
        return {f"student/{path.name}": path.read_bytes() for path in files}


def read_checkpoint(folder):
    """Goes on from a checkpoint."""
    from tfdistill.training.checkpoints import StageState

    state, variables = StageState(folder, "student"), _variables()
    state.restore(variables)
    state.load_rows()


def grid(folder):
    """Reads a grid; all its runs must lie inside its folder."""
    from tfdistill.command_line.run_config import RunConfig
    from tfdistill.run.grid_reader import read_grid
    from tfdistill.train import COMMAND

    found = read_grid(folder / "grid.json", folder / "runs", RunConfig(), COMMAND)
    inside = (folder / "runs").resolve()
    for run in found.ordered():
        if not run.folder.resolve().is_relative_to(inside):
            raise AssertionError(f"{run.folder} lies outside")
    found.by_table()


def parts(folder):
    """Reads the ranges of a super-student and counts its parts."""
    from tfdistill.models.configs.config_files import read_config
    from tfdistill.models.part_shapes import PartRanges

    space = PartRanges.read(folder).space(read_config(folder, "bert"))
    len(space)


def phone(folder):
    """Reads what LiteRT's benchmark printed."""
    from tfdistill.deployment.benchmark_tool import read_output

    read_output(folder / "output.txt")


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
