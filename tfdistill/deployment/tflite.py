"""TFLite files: writing them from a Keras model, and running them in LiteRT."""

import functools
import math
import tempfile
from pathlib import Path

import numpy as np

from tfdistill.deployment.file_metadata import add_metadata, describe_head, read_metadata
from tfdistill.deployment.saved_model import LOGITS, PROBABILITIES, SIGNATURE, write_archive
from tfdistill.deployment.tied_table import scale_table_by_rows
from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer, write_atomically
from tfdistill.system.quiet import quiet_native_output

DYNAMIC_INT8 = "dynamic_int8"


def export_tflite(model, path, quantize=None, length=128):
    """Writes a TFLite file of built-in operators that predicts for one text.

    Its inputs are int32: `input_ids`, `attention_mask` and, for BERT, `token_type_ids`
    (1, length), and the head's further inputs: for masked LM `masked_positions` (1, 1), one
    [MASK]. Its output `logits` is float32, for masked LM (1, 1, vocab); a head with named classes
    has `probabilities`, their softmax, too. Files of tasks with labels hold the names of task and
    classes (see `file_metadata`).

    Args:
        model: a `Model` with a head.
        path: the file to write; an existing one is replaced when the new one is complete.
        quantize: None for float32 weights, or "dynamic_int8": int8 weights with one scale per
            row, activations quantised as they come (dynamic-range quantisation). The embedding
            table, tied to the output projection, is stored once.
        length: tokens in a row, [CLS] and [SEP] included.

    Raises:
        UserError: the model has no head, fewer positions than `length`, or the converted file
            does not hold its weights.
        ValueError: an unknown `quantize`.
        OSError: the write failed.

    Example:
        import tfdistill

        student = tfdistill.load_model("runs/mini/student")
        tfdistill.export_tflite(student, "student.tflite", quantize="dynamic_int8", length=16)
    """
    export_tflite_files(model, {path: quantize}, length)


def export_tflite_files(model, files, length):
    """Writes several TFLite files of one model, which is traced once (see `export_tflite`).

    Args:
        model: a `Model` with a head.
        files: dict of paths to their `quantize`.
        length: tokens in a row, [CLS] and [SEP] included.

    Raises:
        UserError, ValueError, OSError: as `export_tflite`.
    """
    for quantize in files.values():
        if quantize not in (None, DYNAMIC_INT8):
            raise ValueError(f"quantize must be None or {DYNAMIC_INT8!r}, not {quantize!r}")
    with tempfile.TemporaryDirectory() as directory:
        write_archive(model, directory, batch=1, length=length, columns=1)
        for path, quantize in files.items():
            content = convert(directory, quantize)
            if quantize:
                table = model.encoder.embeddings.word_embeddings.numpy()
                content = scale_table_by_rows(content, table)
            if model.head.task:
                content = add_metadata(content, describe_head(model.head, length))
            require_weights(content, model, quantize, length)
            write_atomically(path, content)


def convert(saved_model, quantize):
    """Converts a SavedModel with TensorFlow's converter.

    Args:
        saved_model: its folder.
        quantize: as for `export_tflite`.

    Returns:
        bytes of a TFLite file.
    """
    import tensorflow as tf

    with quiet_native_output():
        converter = tf.lite.TFLiteConverter.from_saved_model(saved_model)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def require_weights(content, model, quantize, length):
    """Refuses a file without weights, which some converters write without an error.

    Args:
        content: bytes of the file.
        model: the `Model`.
        quantize, length: as for `export_tflite`.

    Raises:
        UserError: the file is smaller than its weights.
    """
    config = model.config
    # Only matrices: the converter may remove a bias of zeros or a gamma of ones.
    shapes = [variable.shape for variable in model.variables if len(variable.shape) == 2]
    parameters = sum(map(math.prod, shapes))
    parameters -= (config.max_position_embeddings - length) * config.hidden_size  # cut by tracing
    needed = parameters * (1 if quantize else 4)
    if len(content) < needed:
        raise UserError(
            f"the converted model has {len(content)} bytes where its weights need {needed}: "
            "this TensorFlow loses weights on conversion; install the pinned requirements"
        )


class LiteModel:
    """A TFLite file written by `export_tflite`, run by LiteRT. Does not need TensorFlow.

    Args:
        path: the file.
        threads: CPU threads to run on.

    Attributes:
        length: tokens in a row.
        output_shape: shape of `logits`, a tuple.
        outputs: number of logits of a prediction; for masked LM the tokens in the vocabulary.
        metadata: dict of what the file says about its task (see `file_metadata`); may be empty.
        input_names: frozenset of the names of the inputs.

    Raises:
        UserError: the file is missing, damaged, or was not written by `export_tflite`.
    """

    def __init__(self, path, threads=1):
        from ai_edge_litert.interpreter import Interpreter

        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"{path}: no such file; name a .tflite file")
        refuse_lfs_pointer(path)
        try:
            with quiet_native_output():
                self._interpreter = Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
                self._run = self._interpreter.get_signature_runner(SIGNATURE)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path} is no readable TFLite file: export it again") from error
        inputs, outputs = self._run.get_input_details(), self._run.get_output_details()
        self.input_names = frozenset(inputs)
        known = set(outputs) - {PROBABILITIES} == {LOGITS}
        if not {"input_ids", "attention_mask"} <= set(inputs) or not known:
            raise UserError(f"{path} was not written by tfdistill.export: export it again")
        self.length = int(inputs["input_ids"]["shape"][1])
        self.output_shape = tuple(map(int, outputs[LOGITS]["shape"]))
        self.outputs = self.output_shape[-1]

    @functools.cached_property
    def metadata(self):
        return read_metadata(self.path)

    def logits(self, inputs):
        """Predicts for one text: the output `logits` of `run`; arguments and errors as there."""
        return self.run(inputs)[LOGITS]

    def run(self, inputs):
        """Runs the model on one text.

        Args:
            inputs: dict of the inputs' names to int arrays of one row, such as `input_ids` and
                `attention_mask` (length,); `token_type_ids` are 0 when left out, and
                ignored by a file that has none.

        Returns:
            dict of `logits` and, for named classes, `probabilities`: float32 without the batch's
            axis, such as (1, vocab) for masked LM.

        Raises:
            UserError: LiteRT cannot run the file.
        """
        inputs = {name: np.asarray(row, np.int32).reshape(1, -1) for name, row in inputs.items()}
        types = inputs.pop("token_type_ids", np.zeros((1, self.length), np.int32))
        if "token_type_ids" in self.input_names:
            inputs["token_type_ids"] = types
        try:
            return {name: rows[0] for name, rows in self._run(**inputs).items()}
        except (ValueError, RuntimeError) as error:
            if "gather index" in str(error):
                raise UserError(
                    f"{self.path}: its vocabulary lacks a token of the text: set `tokenizer` to "
                    "the one that it was exported with"
                ) from error
            raise UserError(f"{self.path} does not run in LiteRT ({error}): export it again") from (
                error
            )
