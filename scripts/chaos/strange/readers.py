"""Readers of models, tokenizers, flagfiles, data and descriptions, and makers of valid ones."""

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
    """Opens a tokenizer, encodes and decodes a text, and writes the tokenizer."""
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


def grid_of_parts(folder):
    """Reads the multipliers of a student's parts and counts them."""
    from tfdistill.models.configs.config_files import read_config
    from tfdistill.models.part_grid import PartGrid

    space = PartGrid.read(folder).space(read_config(folder, "bert"))
    assert space.widths and space.depths


def latency_table(folder):
    """Predicts a latency by a table, which must be a number."""
    from tfdistill.deployment.latency_model import LatencyModel
    from tfdistill.models.configs.encoder_config import EncoderConfig

    shape = dict(hidden_size=8, num_attention_heads=2, intermediate_size=12)
    config = EncoderConfig(vocab_size=20, num_hidden_layers=1, **shape)
    model = LatencyModel.read(folder / "latency.json")
    found = model.milliseconds(config, length=16, variant="int8", threads=1)
    assert np.isfinite(found)


def phone(folder):
    """Reads what LiteRT's benchmark printed."""
    from tfdistill.deployment.benchmark_tool import read_output

    read_output(folder / "output.txt")
