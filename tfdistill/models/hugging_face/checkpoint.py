"""Reads and writes Hugging Face model directories: config.json and model.safetensors."""

import itertools
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy

from tfdistill.models.configs.config_files import CONFIG, config_of, read_json
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.heads.next_sentence import NextSentenceHead
from tfdistill.models.hugging_face import sentence_encoders
from tfdistill.models.hugging_face.attention_padding import paddings
from tfdistill.models.hugging_face.tensors import WEIGHTS, WEIGHTS_INDEX, CheckpointTensors
from tfdistill.models.model import MaskedLanguageModel, Model
from tfdistill.system.errors import UserError
from tfdistill.system.hub import downloaded, require_model_name
from tfdistill.system.sums import check_sums, forget_sums

TOKENIZER_FILES = (
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def load_model(path_or_hub_name, head=None, next_sentence=False):
    """Reads a model, with its head if the checkpoint has one.

    Args:
        path_or_hub_name: a Hugging Face directory (config.json and model.safetensors, sharded or
            not) of one of `MODEL_TYPES`, or a name on the hub.
        head: function of (EncoderConfig, content of config.json) to a fresh small head, whose
            tensors are read, or to None where config.json describes another; None for the
            masked-LM head.
        next_sentence: whether to read the `NextSentenceHead` of a checkpoint that has one
            (`ForPreTraining`), beside the masked-LM head.

    Returns:
        `MaskedLanguageModel`, or `Model` with a small head; its head is None if the checkpoint has
        none, or that of another class.

    Raises:
        UserError: a file is missing, damaged or not supported.

    Example:
        import tfdistill

        student = tfdistill.load_model("runs/mini/student")
        student.config.num_hidden_layers
        logits = student({"input_ids": [[2, 11, 4, 3]]})["logits"]  # (1, 4, vocabulary)
    """
    files = _Files(path_or_hub_name)
    files.require_room()
    if head is None:
        with_head = files.has_vocabulary_head()
        pairs = files.pooling_of_pairs() if next_sentence else ""
        model = MaskedLanguageModel(files.config, with_head, seed=None, next_sentence=pairs)
    else:
        model = Model(Encoder(files.config), files.small_head(head), seed=None)
    files.fill(model, *_named_variables(model))
    _check_tied(model, files.tensors)
    return model


def load_with_fresh_head(path_or_hub_name, head, seed):
    """Reads an encoder and puts a fresh head on it.

    A pooler that the head has and the checkpoint brings along is read, too.

    Args:
        path_or_hub_name: as for `load_model`.
        head: function of (EncoderConfig, pooling) to a fresh small head; the pooling is one of
            `heads.classification.POOLINGS`: that of the folder, or "" for the model type's own. A
            folder of sentence-transformers says its own; in other folders it is "pooler" where the
            checkpoint has one.
        seed: int, seed of the fresh weights.

    Returns:
        `Model`.

    Raises:
        UserError: a file is missing, damaged or not supported.
    """
    files = _Files(path_or_hub_name)
    files.require_room()
    model = Model(Encoder(files.config), head(files.config, files.pooling()), seed=seed)
    encoder, tensors = _named_variables(model)
    pooler = get_model_type(files.config.model_type).heads.pooler
    brought = {name: each for name, each in tensors.items() if name.rpartition(".")[0] == pooler}
    files.fill(model, encoder, brought if files.have(brought) else {})
    return model


class ModelDescription(NamedTuple):
    """A model on disk without its weights.

    Args:
        config: `EncoderConfig`.
        head: "masked_lm" or "small"; None for a checkpoint without that head.
        next_sentence: pooling of its `NextSentenceHead`; "" for a checkpoint without.
    """

    config: EncoderConfig
    head: str | None
    next_sentence: str = ""


def describe_model(path_or_hub_name, head=None):
    """Reads the shape of a model; of its weights, only the names.

    Args:
        path_or_hub_name, head: as for `load_model`.

    Returns:
        A `ModelDescription`.

    Raises:
        UserError: the files are missing, damaged or not supported.
    """
    files = _Files(path_or_hub_name)
    if head is None:
        kind = "masked_lm" if files.has_vocabulary_head() else None
        return ModelDescription(files.config, kind, files.pooling_of_pairs())
    return ModelDescription(files.config, "small" if files.small_head(head) else None)


def describe_head(path_or_hub_name, head):
    """Reads what a directory says about its small head.

    Args:
        path_or_hub_name, head: as for `load_model`.

    Returns:
        The head with fresh weights; None for a checkpoint without that head.

    Raises:
        UserError: the files are missing, damaged or not supported.
    """
    return _Files(path_or_hub_name).small_head(head)


class _Files:
    """The files of a model: config.json and the tensors."""

    def __init__(self, path_or_hub_name):
        self.directory = resolve_directory(path_or_hub_name)
        path = self.directory / CONFIG
        check_sums(path)
        self.values = read_json(path)
        self.config = config_of(self.values, path)
        self.tensors = CheckpointTensors(self.directory, self.config.model_type)

    def require_room(self):
        """Refuses a config of a far larger model than the files hold, before it is made."""
        needed, there = self.config.fewest_numbers, self.tensors.numbers
        if needed > there:
            raise UserError(
                f"{self.directory}: {CONFIG} describes a model of at least {needed:,} numbers, and "
                f"the files hold {there:,}: they do not belong together"
            )

    def _canonical(self, name):
        return name.removeprefix(get_model_type(self.config.model_type).tensor_prefix)

    def have(self, names):
        """Whether the checkpoint has the tensors of these names."""
        return {self._canonical(name) for name in names} <= self.tensors.names

    def has_vocabulary_head(self):
        """Whether it has a masked-LM head."""
        prefix = get_model_type(self.config.model_type).hugging_face.head_prefix
        return bool(prefix) and any(name.startswith(prefix) for name in self.tensors.names)

    def pooling_of_pairs(self):
        """The pooling of the head for pairs of segments; "" for a checkpoint without that head."""
        rules = get_model_type(self.config.model_type).heads
        if not (rules.next_sentence and self.have([f"{rules.next_sentence}.weight"])):
            return ""
        return NextSentenceHead.pooling_of(self.config, self.values)

    def small_head(self, head):
        """The head, with fresh weights, or None; argument as for `load_model`."""
        try:
            found = head(self.config, self.values)
        except UserError as error:
            raise UserError(f"{self.directory}: {error.message}") from error
        if found is None or not self.have(found.tensors()):
            return None
        if not found.tensors():
            return found  # it fits every encoder
        # Heads of several classes have equal names of tensors.
        classes = self.values.get("architectures") or [found.architecture]
        return found if any(each.endswith(found.architecture) for each in classes) else None

    def pooling(self):
        """The pooling of a fresh head: see `load_with_fresh_head`."""
        if pooling := sentence_encoders.sentence_pooling(self.directory):
            return pooling
        pooler = get_model_type(self.config.model_type).heads.pooler
        return "pooler" if self.have([f"{pooler}.weight"]) else ""

    def fill(self, model, *named):
        """Reads variables of a model; further arguments as the results of `_named_variables`."""
        check_sums(self.directory / WEIGHTS)
        padded = paddings(model)
        for name, (variable, transposed) in itertools.chain(*(part.items() for part in named)):
            name, padding = self._canonical(name), padded.get(id(variable))
            shape = padding.shape(variable.shape) if padding else variable.shape
            array = self.tensors.read(name, shape, transposed)
            if padding:
                array = padding.remove(array, f"{self.directory}: the tensor {name}")
            variable.assign(array)


def save_model(model, directory):
    """Writes a Hugging Face directory, for example for AutoModelForMaskedLM.from_pretrained.

    The files are written to a temporary folder and renamed, so that no reader sees half a file.

    Args:
        model: `Model`.
        directory: where to write; other files in it stay.

    Raises:
        OSError: the files cannot be written.

    Example:
        import tfdistill

        student = tfdistill.load_model("runs/mini/student")
        tfdistill.save_model(student, "copy")
        tfdistill.load_tokenizer("runs/mini/student").save("copy")
    """
    directory = Path(directory).resolve()
    aside = directory.with_name(f".{directory.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)  # left by a process that was killed
    aside.mkdir(parents=True)
    try:
        # As bytes: a full disk then raises an OSError instead of safetensors' own error.
        (aside / WEIGHTS).write_bytes(
            safetensors.numpy.save(_hugging_face_tensors(model), metadata={"format": "pt"})
        )
        values = model.config.to_hugging_face() | {"architectures": [_class_name(model)]}
        if model.head is not None and not model.head.has_vocabulary:
            values |= model.head.config_values()
        if model.next_sentence is not None:
            values |= model.next_sentence.config_values()
        (aside / CONFIG).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        if directory.exists():
            forget_sums(directory)
            for path in aside.iterdir():
                os.replace(path, directory / path.name)
        else:
            os.rename(aside, directory)
        if isinstance(model.head, EmbeddingHead):
            sentence_encoders.write_modules(directory, model.head)
    except OSError as error:
        error.filename = error.filename or str(directory / WEIGHTS)  # a full disk names no file
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def resolve_directory(path_or_hub_name):
    """The local directory of a model, downloaded if the argument is a name on the hub.

    Args:
        path_or_hub_name: an existing directory, "name" or "organisation/name".

    Returns:
        pathlib.Path: the folder with config.json, which older folders of sentence-transformers
        hold inside.

    Raises:
        UserError: there is no such directory, and the model could not be downloaded.
    """
    path, name = Path(path_or_hub_name), str(path_or_hub_name)
    require_model_name(name)
    if path.is_dir():
        return sentence_encoders.transformer_folder(path)
    patterns = [CONFIG, "model*.safetensors", WEIGHTS_INDEX, *TOKENIZER_FILES]
    patterns += [sentence_encoders.INNER + pattern for pattern in patterns]
    patterns += sentence_encoders.FILES
    return sentence_encoders.transformer_folder(downloaded("model", name, patterns))


def _check_tied(model, tensors):
    """Refuses a decoder that differs from the word embeddings, to which heads are tied."""
    decoder = get_model_type(model.config.model_type).hugging_face.decoder
    if model.head is None or not model.head.has_vocabulary or decoder not in tensors.names:
        return
    table = model.encoder.embeddings.word_embeddings
    if not np.array_equal(tensors.read(decoder, table.shape), table.numpy()):
        raise UserError(
            f"{tensors.directory}: {decoder} differs from the word embeddings: only tied decoders "
            "are supported"
        )


def _class_name(model):
    """Hugging Face's class of a model, such as "BertForMaskedLM"."""
    prefix = get_model_type(model.config.model_type).hugging_face.class_prefix
    if model.head is not None and model.next_sentence is not None:
        return prefix + model.next_sentence.architecture
    return prefix + ("Model" if model.head is None else model.head.architecture)


def _named_variables(model):
    """Two dicts, of the encoder and of the heads: names to (variable, whether it is transposed)."""
    names, head = get_model_type(model.config.model_type).hugging_face, model.head
    encoder = names.encoder_tensors(model.encoder)
    of_heads = {} if model.next_sentence is None else model.next_sentence.tensors()
    if head is not None:
        of_heads |= names.head_tensors(head) if head.has_vocabulary else head.tensors()
    return encoder, of_heads


def _hugging_face_tensors(model):
    """Hugging Face's names to float32 arrays; without the tied decoder, as in its own files."""
    encoder, head = _named_variables(model)
    prefix = get_model_type(model.config.model_type).tensor_prefix
    encoder = {f"{prefix}{name}": each for name, each in encoder.items()}
    tensors, padded = {}, paddings(model)
    for name, (variable, transposed) in (encoder | head).items():
        array = variable.numpy().astype(np.float32)
        if padding := padded.get(id(variable)):
            array = padding.add(array)
        tensors[name] = np.ascontiguousarray(array.T if transposed else array)
    return tensors
