"""TFLite files, written from a Keras model."""

import functools
import math
import tempfile

import numpy as np

from tfdistill.deployment.file_metadata import add_metadata, describe_head
from tfdistill.deployment.flat_model import pack, unpack
from tfdistill.deployment.saved_model import write_archive
from tfdistill.deployment.signatures import as_lengths, names_of
from tfdistill.deployment.tied_table import scale_table_by_rows
from tfdistill.deployment.variants import (
    DYNAMIC_INT8,
    FLOAT16,
    FULL_INT8,
    KINDS,
    require_quantizable,
)
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.system.quiet import quiet_native_output
from tfdistill.system.sums import renew_sums


def export_tflite(model, path, quantize=None, length=128, calibration=None):
    """Writes a TFLite file of built-in operators that predicts for one text.

    Its inputs are int32: `input_ids`, `attention_mask` and, for BERT, `token_type_ids`
    (1, length), and the head's further inputs: for masked LM `masked_positions` (1, 1), one
    [MASK]. Its output `logits` is float32, for masked LM (1, 1, vocab); a head with named classes
    has `probabilities`, their softmax, too. A sentence encoder has `embedding` (1, width) instead.
    Files of tasks with labels hold the names of task and classes (see `file_metadata`).

    Args:
        model: a `Model` with a head.
        path: the file to write; an existing one is replaced when the new one is complete.
        quantize: None for float32 weights; "float16" for float16 weights, which are computed with
            in float32; "dynamic_int8": int8 weights with one scale per row, activations quantised
            as they come (dynamic-range quantisation). The embedding table, tied to the output
            projection, is stored once. "full_int8": int8 activations, too, with fixed ranges.
        length: tokens in a row, [CLS] and [SEP] included; or a tuple of lengths. A file of several
            has a signature for each, `tokens_16`, `tokens_32` and so on, which share the weights;
            a file of one has `serving_default`. A "full_int8" file has the longest alone.
        calibration: for "full_int8", iterable of inputs of real texts, 100 or more, which give the
            ranges: dicts of the inputs' names to int arrays of one row, with padding.

    Raises:
        UserError: the model has no head, fewer positions than `length`, or the converted file
            does not hold its weights; `length` is no number of at least 3; or "full_int8" without
            `calibration`, or of a model with a loop.
        ValueError: an unknown `quantize`.
        OSError: the write failed.

    Example:
        import tfdistill

        student = tfdistill.load_model("runs/mini/student")
        tfdistill.export_tflite(student, "student.tflite", quantize="dynamic_int8", length=(16, 32))
    """
    export_tflite_files(model, {path: quantize}, length, calibration)


def export_tflite_files(model, files, length, calibration=None, vocabulary=""):
    """Writes several TFLite files of one model, which is traced once (see `export_tflite`).

    A "full_int8" file needs a trace of its own.

    Args:
        model: a `Model` with a head.
        files: dict of paths to their `quantize`.
        length, calibration: as for `export_tflite`.
        vocabulary: the `vocabulary_hash` of the tokenizer, which the files keep; "": none.

    Raises:
        UserError, ValueError, OSError: as `export_tflite`.
    """
    for quantize in files.values():
        if quantize not in KINDS:
            raise ValueError(f"quantize must be one of {KINDS}, not {quantize!r}")
    require_quantizable(model.config.model_type, files.values())
    lengths = as_lengths(length)
    if FULL_INT8 in files.values() and calibration is None:
        raise UserError("full int8 files need real texts: set `calibration`")
    facts = {"vocabulary": vocabulary} if vocabulary else {}
    if model.head is not None and model.head.task:
        facts |= describe_head(model.head, lengths[-1])
    exported = get_model_type(model.config.model_type).parts().exported
    model = exported(model) if exported else model
    for integers in (False, True):
        own = {path: kind for path, kind in files.items() if (kind == FULL_INT8) == integers}
        if own:
            own_lengths = lengths[-1:] if integers else lengths
            _write_files(model, own, own_lengths, calibration, facts)


def _write_files(model, files, lengths, calibration, facts):
    """Traces a model and writes its files; those in integers alone, or the others."""
    integers = FULL_INT8 in files.values()
    with tempfile.TemporaryDirectory() as directory:
        write_archive(model, directory, batch=1, lengths=lengths, columns=1, integers=integers)
        for path, quantize in files.items():
            content = convert(directory, quantize, lengths, calibration)
            if quantize == DYNAMIC_INT8:
                table = model.encoder.embeddings.word_embeddings.numpy()
                content = scale_table_by_rows(content, table)
            elif len(lengths) > 1:
                content = pack(unpack(content))
            if facts:
                content = add_metadata(content, facts)
            require_weights(content, model, quantize, lengths[-1])
            write_atomically(path, content)
            renew_sums(path)


def convert(saved_model, quantize, lengths, calibration=None):
    """Converts a SavedModel with TensorFlow's converter.

    Args:
        saved_model: its folder, of `write_archive`.
        quantize, calibration: as for `export_tflite`.
        lengths: tuple of the lengths of its signatures; one for "full_int8".

    Returns:
        bytes of a TFLite file.
    """
    import tensorflow as tf

    names = list(names_of(lengths).values())
    with quiet_native_output():
        converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=names)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == FLOAT16:
            converter.target_spec.supported_types = [tf.float16]
        if quantize == FULL_INT8:
            converter.target_spec.supported_ops += [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            (signature,) = tf.saved_model.load(saved_model).signatures.values()
            inputs = signature.structured_input_signature[1]
            converter.representative_dataset = functools.partial(_rows, calibration, inputs)
        return converter.convert()


def _rows(texts, inputs):
    """Yields the inputs of texts as the converter reads them.

    Args:
        texts: iterable of dicts of int arrays of one row; `token_type_ids` may be left out.
        inputs: dict of the inputs' names to `TensorSpec`s.
    """
    for text in texts:
        zeros = {name: np.zeros(spec.shape, np.int32) for name, spec in inputs.items()}
        given = {name: np.asarray(text[name], np.int32) for name in inputs if name in text}
        yield zeros | {name: row.reshape(1, -1) for name, row in given.items()}


def require_weights(content, model, quantize, length):
    """Refuses a file without weights, which some converters write without an error.

    Args:
        content: bytes of the file.
        model: the `Model`.
        quantize: as for `export_tflite`.
        length: most tokens in a row.

    Raises:
        UserError: the file is smaller than its weights.
    """
    # Only matrices: the converter may remove a bias of zeros or a gamma of ones.
    shapes = [variable.shape for variable in model.variables if len(variable.shape) == 2]
    parameters = sum(map(math.prod, shapes))
    positions = model.encoder.embeddings.position_embeddings
    if positions is not None:  # the rows behind `length` may be cut by tracing
        parameters -= (positions.shape[0] - length) * positions.shape[1]
    needed = parameters * {None: 4, FLOAT16: 2}.get(quantize, 1)
    if len(content) < needed:
        raise UserError(
            f"the converted model has {len(content)} bytes where its weights need {needed}: "
            "this TensorFlow loses weights on conversion; install the pinned requirements"
        )
