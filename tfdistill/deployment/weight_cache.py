"""Weights as LiteRT packs them for a processor, in a file that the signatures of a model share.

Without it, each signature packs weights of its own, which takes time and memory whenever a model is
loaded. LiteRT's `CompiledModel` maps the file into memory instead.
"""

import contextlib
import ctypes
import errno
import functools
import importlib.metadata
import math
import os
import shutil
from pathlib import Path

import numpy as np

from tfdistill.system import hardware
from tfdistill.system.kept import MANIFEST, kept_folder
from tfdistill.system.paths import cache_folder
from tfdistill.system.quiet import quiet_end, quiet_native_output
from tfdistill.system.sums import file_digest

WEIGHTS = "weights.xnnpack"
MOST_BYTES = 2**30  # of all weights together
ROOM = 2  # bytes for each byte of the model's file; float16 weights are kept as float32


def usual_folder():
    """The folder of the weights of all models: a `Path`; None for a user without a home folder."""
    try:
        return cache_folder() / "litert_weights"
    except RuntimeError:  # of `Path.home`
        return None


def open_compiled(path, threads, folder):
    """Opens a TFLite file with all its signatures, which share the weights.

    Weights belong to the SHA-256 of the file, LiteRT's version and the processor. Missing or
    damaged ones are made in a temporary folder, which is renamed when it is complete.

    Args:
        path: the file.
        threads: CPU threads to run on.
        folder: folder of the weights of all models.

    Returns:
        `ai_edge_litert.compiled_model.CompiledModel`; None if the folder cannot be
        written, or has too little room.

    Raises:
        RuntimeError: LiteRT cannot read the file.
    """
    try:
        weights = _kept_weights(path, Path(folder))
    except OSError:
        return None
    return _compile(path, threads, weights)


def prepare(model, signature):
    """Prepares a signature of a model.

    Args:
        model: of `open_compiled`.
        signature: a `Signature`.

    Returns:
        function of a dict of the inputs, int32 arrays of their shapes, to a dict of the outputs,
        float32 arrays. It raises ValueError or RuntimeError with the reason.
    """
    names = model.get_signature_list()[signature.name]
    index = model.get_signature_index(signature.name)
    inputs = dict(zip(names["inputs"], model.create_input_buffers(index), strict=True))
    outputs = dict(zip(names["outputs"], model.create_output_buffers(index), strict=True))
    sizes = {name: math.prod(shape) for name, shape in signature.outputs.items()}
    for name, buffer in inputs.items():  # LiteRT prints at the first write
        buffer.write(np.zeros(signature.inputs[name], np.int32))
    lists = list(inputs.values()), list(outputs.values())
    largest = -1  # the largest token id that a run has taken without an error

    def run(rows):
        nonlocal largest
        if {name: row.shape for name, row in rows.items()} != signature.inputs:
            raise ValueError(f"the inputs are not {signature.inputs}")
        for name, buffer in inputs.items():
            buffer.write(rows[name])
        token = int(rows["input_ids"].max())
        # LiteRT prints the reason of an error, such as a token that the table lacks.
        with quiet_native_output() if token > largest else contextlib.nullcontext():
            model.run_by_index(index, *lists)
        largest = max(largest, token)
        return {
            name: buffer.read(sizes[name], np.float32).reshape(signature.outputs[name])
            for name, buffer in outputs.items()
        }

    return run


def _kept_weights(path, folder):
    """The file of the packed weights; it is made if it is missing."""
    identity = {
        "model": file_digest(path),
        "litert": importlib.metadata.version("ai-edge-litert"),
        "processor": [hardware.chip(), *hardware.instruction_sets()],
    }
    made = []

    def make(aside):
        _require_room(aside / WEIGHTS, ROOM * Path(path).stat().st_size)
        _compile(path, 1, aside / WEIGHTS)
        if not (aside / WEIGHTS).is_file():
            raise OSError(f"LiteRT wrote no weights of {path}")
        made.append(aside)

    kept = kept_folder(folder, identity, make)
    with contextlib.suppress(OSError):
        os.utime(kept / MANIFEST)
    if made:
        _drop_oldest(folder, kept)
    return kept / WEIGHTS


def _require_room(path, size):
    """Raises OSError where a file of `size` bytes does not fit: LiteRT would end the process."""
    with open(path, "wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        elif shutil.disk_usage(path.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    path.unlink()


def _drop_oldest(folder, kept):
    """Deletes the weights that were not used for longest, until all have at most `MOST_BYTES`."""
    used = {}
    for manifest in folder.glob(f"*/{MANIFEST}"):
        with contextlib.suppress(OSError):
            size = (manifest.parent / WEIGHTS).stat().st_size
            used[manifest.parent] = manifest.stat().st_mtime, size
    total = 0
    for each in sorted(used, key=used.get, reverse=True):
        total += used[each][1]
        if total > MOST_BYTES and each != kept:
            shutil.rmtree(each, ignore_errors=True)


def _compile(path, threads, weights):
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.options import CpuOptions, Options

    cpu = CpuOptions(num_threads=threads, xnnpack_weight_cache_path=str(weights))
    return CompiledModel.from_file(
        str(path), environment=_environment(), options=Options(cpu_options=cpu)
    )


@functools.cache
def _environment():
    """LiteRT's environment, one for the process; it prints when it ends."""
    from ai_edge_litert.environment import Environment

    quiet_end()
    environment = Environment.create()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(environment.capsule))  # so that it never ends
    return environment
