"""Reads the tensors of a Hugging Face checkpoint: model.safetensors, or shards with an index."""

import math
import re

import ml_dtypes  # noqa: F401  (registers bfloat16 with NumPy, which safetensors needs)
import numpy as np
import safetensors

from tfdistill.models.configs.config_files import read_json
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
_SHARD = re.compile(r"[\w-][\w.-]*\.safetensors")  # in the same folder
_FLOATS = ("F64", "F32", "F16", "BF16")
# Old names of the parts of norms.
_OLD_NORM_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
# Prefixes of tensor names that wrappers add: the wrapper, and its attribute that is the model.
_WRAPPERS = {
    "module.": ("torch.nn.DataParallel", "module"),
    "_orig_mod.": ("torch.compile", "_orig_mod"),
}


class CheckpointTensors:
    """The tensors of a checkpoint, by canonical names.

    A canonical name has no model prefix, and parts of norms are called weight and bias.

    Args:
        directory: `Path` of a Hugging Face directory.
        model_type: str.

    Raises:
        UserError: files are missing, damaged, of another framework, or contradict each other.
    """

    def __init__(self, directory, model_type):
        self.directory = directory
        kind = get_model_type(model_type)
        self._prefix, self._renamed = kind.tensor_prefix, kind.hugging_face.renamed_tensors
        self._keys = {}  # canonical name -> (file, name in the file)
        for path in self._files():
            with _opened(path) as file:
                _refuse_other_writers(path, file)
                for key in file.keys():
                    self._add(path, key)

    @property
    def names(self):
        """The canonical names."""
        return self._keys.keys()

    @property
    def numbers(self):
        """How many numbers the tensors hold: int."""
        count = 0
        for path in {path for path, _ in self._keys.values()}:
            with _opened(path) as file:
                count += sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())
        return count

    def _add(self, path, key):
        """Registers a tensor; two tensors with one canonical name must be equal."""
        name = self._canonical(key)
        first = self._keys.setdefault(name, (path, key))
        if first != (path, key) and not np.array_equal(_array(*first), _array(path, key)):
            raise UserError(
                f"{self.directory}: {first[1]} and {key} are two names of one tensor, but their "
                "values differ: save the model again with one of them"
            )

    def _canonical(self, key):
        name = key.removeprefix(self._prefix)
        for old, new in _OLD_NORM_NAMES.items():
            name = name.replace(old, new)
        return self._renamed.get(name, name)

    def _files(self):
        single, index = self.directory / WEIGHTS, self.directory / WEIGHTS_INDEX
        if single.is_file():
            return [single]
        if index.is_file():
            weight_map = read_json(index).get("weight_map")
            if not isinstance(weight_map, dict) or not weight_map:
                raise UserError(f"{index} has no weight_map: download the checkpoint again")
            for name in weight_map.values():
                if not isinstance(name, str) or not _SHARD.fullmatch(name):
                    raise UserError(
                        f"{index} names {name!r:.80}, which is no safetensors file beside it: "
                        "download the checkpoint again"
                    )
            return [self.directory / name for name in sorted(set(weight_map.values()))]
        if (self.directory / "pytorch_model.bin").is_file():
            raise UserError(
                f"{self.directory} has only pytorch_model.bin, a pickle, which is not read: save "
                "it as safetensors with transformers' save_pretrained"
            )
        raise UserError(
            f"{self.directory} has no {WEIGHTS}: give a complete Hugging Face directory; if the "
            "hub has only pytorch_model.bin of it, save it with transformers' save_pretrained"
        )

    def read(self, name, shape, transposed=False):
        """Reads a tensor.

        Args:
            name: canonical name.
            shape: expected shape of the result.
            transposed: whether the file holds it transposed.

        Returns:
            float32 array.

        Raises:
            UserError: it is missing, quantized, or has another shape.
        """
        if name not in self._keys:
            similar = next((key for key in self._keys if key.endswith(f".{name}")), None)
            found = f" (there is {similar}, whose prefix is not Hugging Face's)" if similar else ""
            raise UserError(
                f"{self.directory}: the tensor {name} is missing{found}: the checkpoint is "
                "incomplete, or its config.json belongs to another model"
            )
        path, key = self._keys[name]
        expected = list(reversed(shape)) if transposed else list(shape)
        with _opened(path) as file:
            view = file.get_slice(key)
            if view.get_shape() != expected:
                raise UserError(
                    f"{path}: {key} has shape {view.get_shape()}, but config.json requires "
                    f"{expected}: they do not belong together"
                )
            if view.get_dtype() not in _FLOATS:
                raise UserError(
                    f"{path}: {key} is {view.get_dtype()}, a quantized type: use the model's "
                    "float checkpoint"
                )
            array = file.get_tensor(key).astype(np.float32)
        return array.T if transposed else array


def _opened(path):
    try:
        refuse_lfs_pointer(path)
        return safetensors.safe_open(path, framework="np")
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(f"cannot read {path}: {error}: download or save it again") from error


def _array(path, key):
    with _opened(path) as file:
        return file.get_tensor(key)


def _refuse_other_writers(path, file):
    """Refuses files of other frameworks and of wrapped models, whose tensor names differ."""
    written_by = (file.metadata() or {}).get("format")
    if written_by in ("tf", "flax"):
        raise UserError(
            f"{path} was written by {written_by}, with its own names and layouts: load it into "
            f"PyTorch (from_pretrained(…, from_{written_by}=True) in transformers 4) and save that"
        )
    for prefix, (wrapper, attribute) in _WRAPPERS.items():
        wrapped = next((key for key in file.keys() if key.startswith(prefix)), None)
        if wrapped:
            raise UserError(
                f"{path} holds the tensors of a {wrapper} wrapper, such as {wrapped}: save the "
                f"model inside it, model.{attribute}, with save_pretrained"
            )
