"""Hugging Face directories in and out: config.json and model.safetensors."""

import json
import os
import re
import shutil
from pathlib import Path

import ml_dtypes  # noqa: F401  (teaches NumPy the name "bfloat16", which safetensors needs)
import numpy as np
import safetensors
import safetensors.numpy

from tfdistill.models.architectures import ARCHITECTURES
from tfdistill.models.configs.config_files import config_of, read_json
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_FLOATS = ("F64", "F32", "F16", "BF16")
# What checkpoints of BERT and MobileBERT call the head's bias, too.
_BIAS, _OTHER_BIAS = "cls.predictions.bias", "cls.predictions.decoder.bias"
# Who puts these before the names of a model's tensors, and holds the model under which name.
_WRAPPERS = {
    "module.": ("torch.nn.DataParallel", "module"),
    "_orig_mod.": ("torch.compile", "_orig_mod"),
}


def load_model(path_or_hub_name):
    """Read a BERT, DistilBERT or MobileBERT with its masked-LM head, where the checkpoint has one.

    Args:
        path_or_hub_name: a Hugging Face directory (config.json and model.safetensors, sharded or
            not), or a name on the hub.

    Returns:
        `MaskedLanguageModel`; its head is None when the checkpoint has none.

    Raises:
        UserError: what is there is missing, damaged or not supported.

    Example:
        import tfdistill

        student = tfdistill.load_model("runs/mini/student")
        student.config.num_hidden_layers
        logits = student({"input_ids": [[2, 11, 4, 3]]})["logits"]  # (1, 4, vocabulary)
    """
    directory = resolve_directory(path_or_hub_name)
    config_path = directory / "config.json"
    config = config_of(read_json(config_path), config_path)
    tensors = _Tensors(directory)
    architecture = ARCHITECTURES[config.model_type]
    with_head = any(name.startswith(architecture.head_prefix) for name in tensors.names)
    model = MaskedLanguageModel(config, with_head=with_head, seed=None)
    for name, (variable, transposed) in architecture.variables(model).items():
        variable.assign(tensors.read(name, variable.shape, transposed))
    _check_tied(model, tensors)
    return model


def save_model(model, directory):
    """Write a Hugging Face directory, which AutoModelForMaskedLM.from_pretrained loads.

    The files are written aside and renamed: a reader never sees half of one.

    Args:
        model: `MaskedLanguageModel`.
        directory: where to; other files that are there already stay.

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
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
    aside.mkdir(parents=True)
    try:
        # By way of bytes: a full disk is then an OSError, not one of safetensors' own.
        (aside / WEIGHTS).write_bytes(
            safetensors.numpy.save(_hugging_face_tensors(model), metadata={"format": "pt"})
        )
        values = model.config.to_hugging_face()
        if model.head is None:
            values["architectures"] = [ARCHITECTURES[model.config.model_type].headless]
        (aside / "config.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        if directory.exists():
            for path in aside.iterdir():
                os.replace(path, directory / path.name)
        else:
            os.rename(aside, directory)
    except OSError as error:
        error.filename = error.filename or str(directory / WEIGHTS)  # a full disk names no file
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def resolve_directory(path_or_hub_name):
    """The local directory of a model, downloaded when the argument is a name on the hub.

    Args:
        path_or_hub_name: an existing directory, "name" or "organisation/name".

    Returns:
        pathlib.Path.

    Raises:
        UserError: no such directory, and no such model within reach on the hub.
    """
    path = Path(path_or_hub_name)
    if path.is_dir():
        return path
    if path.exists():
        raise UserError(f"{path} is a file; give the directory that holds its config.json")
    name = str(path_or_hub_name)
    if not _HUB_NAME.fullmatch(name):
        raise UserError(f"no such directory: {name}; give a Hugging Face directory or a hub name")
    # Late, because it is slow to import and only downloads need it.
    import huggingface_hub

    patterns = ["config.json", "model*.safetensors", WEIGHTS_INDEX, *TOKENIZER_FILES]
    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except Exception as error:  # Its own errors, its HTTP library's, and the system's.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{name!r} is no directory here and could not be fetched from the hub: {reason} "
            "(check the name and the network, or give a directory)"
        ) from error


class _Tensors:
    """The tensors of a checkpoint under canonical names: no model prefix, today's norm names."""

    def __init__(self, directory):
        self.directory = directory
        self._keys = {}  # canonical name -> (file, name in the file)
        for path in self._files():
            with _opened(path) as file:
                _refuse_other_writers(path, file)
                for key in file.keys():
                    self._add(path, key)

    @property
    def names(self):
        return self._keys.keys()

    def _add(self, path, key):
        """Takes a tensor up; of two for one place, whose values differ, neither can be right."""
        name = _canonical(key)
        first = self._keys.setdefault(name, (path, key))
        if first != (path, key) and not np.array_equal(_array(*first), _array(path, key)):
            raise UserError(
                f"{self.directory}: {first[1]} and {key} are two names of one tensor, and their "
                "values differ; save the model again with the one that is right"
            )

    def _files(self):
        single, index = self.directory / WEIGHTS, self.directory / WEIGHTS_INDEX
        if single.is_file():
            return [single]
        if index.is_file():
            weight_map = read_json(index).get("weight_map")
            if not isinstance(weight_map, dict) or not weight_map:
                raise UserError(f"{index} has no weight_map; download the checkpoint again")
            return [self.directory / name for name in sorted(set(weight_map.values()))]
        if (self.directory / "pytorch_model.bin").is_file():
            raise UserError(
                f"{self.directory} has only pytorch_model.bin, a pickle, which is not read; write "
                "it as safetensors with transformers' save_pretrained"
            )
        raise UserError(
            f"{self.directory} has no {WEIGHTS}; give a complete Hugging Face directory"
        )

    def read(self, name, shape, transposed=False):
        """A float32 array of the given shape, which the file holds transposed when so said."""
        if name not in self._keys:
            similar = next((key for key in self._keys if key.endswith(f".{name}")), None)
            found = f"; there is {similar}, whose prefix is not Hugging Face's" if similar else ""
            raise UserError(
                f"{self.directory}: the tensor {name} is missing{found}; the checkpoint is "
                "incomplete, or its config.json belongs to another"
            )
        path, key = self._keys[name]
        expected = list(reversed(shape)) if transposed else list(shape)
        with _opened(path) as file:
            view = file.get_slice(key)
            if view.get_shape() != expected:
                raise UserError(
                    f"{path}: {key} has shape {view.get_shape()}, and config.json asks for "
                    f"{expected}; they do not belong together"
                )
            if view.get_dtype() not in _FLOATS:
                raise UserError(
                    f"{path}: {key} is {view.get_dtype()}, a quantized type; take the model's "
                    "float checkpoint"
                )
            array = file.get_tensor(key).astype(np.float32)
        return array.T if transposed else array


def _opened(path):
    try:
        refuse_lfs_pointer(path)
        return safetensors.safe_open(path, framework="np")
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(f"cannot read {path}: {error}; download or save it again") from error


def _array(path, key):
    with _opened(path) as file:
        return file.get_tensor(key)


def _refuse_other_writers(path, file):
    """Names what wrote tensors under names that this reader does not know."""
    written_by = (file.metadata() or {}).get("format")
    if written_by in ("tf", "flax"):
        raise UserError(
            f"{path} was written by {written_by}, with names and layouts of its own; load it into "
            f"PyTorch (from_pretrained(…, from_{written_by}=True) in transformers 4) and save that"
        )
    for prefix, (wrapper, attribute) in _WRAPPERS.items():
        wrapped = next((key for key in file.keys() if key.startswith(prefix)), None)
        if wrapped:
            raise UserError(
                f"{path} holds the tensors of a {wrapper} wrapper, such as {wrapped}; save the "
                f"model inside it, model.{attribute}, with save_pretrained"
            )


def _canonical(key):
    name = re.sub(r"^(distil|mobile)?bert\.", "", key)
    name = _BIAS if name == _OTHER_BIAS else name
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _check_tied(model, tensors):
    """Refuse a decoder of its own: this head projects by the word embeddings."""
    decoder = ARCHITECTURES[model.config.model_type].decoder
    if model.head is None or decoder not in tensors.names:
        return
    table = model.encoder.embeddings.word_embeddings
    if not np.array_equal(tensors.read(decoder, table.shape), table.numpy()):
        raise UserError(
            f"{tensors.directory}: {decoder} differs from the word embeddings; only tied decoders "
            "are supported"
        )


def _hugging_face_tensors(model):
    """Hugging Face name -> float32 array; the tied decoder is left out, as Hugging Face does."""
    model_type = model.config.model_type
    architecture, tensors = ARCHITECTURES[model_type], {}
    for name, (variable, transposed) in architecture.variables(model).items():
        full = name if name.startswith(architecture.head_prefix) else f"{model_type}.{name}"
        array = variable.numpy().astype(np.float32)
        tensors[full] = np.ascontiguousarray(array.T if transposed else array)
    return tensors
