"""TFLite files, written from a Keras model."""

import math
import tempfile

from tfdistill.deployment.file_metadata import add_metadata, describe_head
from tfdistill.deployment.flat_model import pack, unpack
from tfdistill.deployment.saved_model import write_archive
from tfdistill.deployment.signatures import as_lengths, names_of
from tfdistill.deployment.tied_table import scale_table_by_rows
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.system.quiet import quiet_native_output

DYNAMIC_INT8 = "dynamic_int8"


def export_tflite(model, path, quantize=None, length=128):
    """Writes a TFLite file of built-in operators that predicts for one text.

    Its inputs are int32: `input_ids`, `attention_mask` and, for BERT, `token_type_ids`
    (1, length), and the head's further inputs: for masked LM `masked_positions` (1, 1), one
    [MASK]. Its output `logits` is float32, for masked LM (1, 1, vocab); a head with named classes
    has `probabilities`, their softmax, too. A sentence encoder has `embedding` (1, width) instead.
    Files of tasks with labels hold the names of task and classes (see `file_metadata`).

    Args:
        model: a `Model` with a head.
        path: the file to write; an existing one is replaced when the new one is complete.
        quantize: None for float32 weights, or "dynamic_int8": int8 weights with one scale per
            row, activations quantised as they come (dynamic-range quantisation). The embedding
            table, tied to the output projection, is stored once.
        length: tokens in a row, [CLS] and [SEP] included; or a tuple of lengths. A file of several
            has a signature for each, `tokens_16`, `tokens_32` and so on, which share the weights;
            a file of one has `serving_default`.

    Raises:
        UserError: the model has no head, fewer positions than `length`, or the converted file
            does not hold its weights; or `length` is no number of at least 3.
        ValueError: an unknown `quantize`.
        OSError: the write failed.

    Example:
        import tfdistill

        student = tfdistill.load_model("runs/mini/student")
        tfdistill.export_tflite(student, "student.tflite", quantize="dynamic_int8", length=(16, 32))
    """
    export_tflite_files(model, {path: quantize}, length)


def export_tflite_files(model, files, length):
    """Writes several TFLite files of one model, which is traced once (see `export_tflite`).

    Args:
        model: a `Model` with a head.
        files: dict of paths to their `quantize`.
        length: as for `export_tflite`.

    Raises:
        UserError, ValueError, OSError: as `export_tflite`.
    """
    for quantize in files.values():
        if quantize not in (None, DYNAMIC_INT8):
            raise ValueError(f"quantize must be None or {DYNAMIC_INT8!r}, not {quantize!r}")
    lengths = as_lengths(length)
    exported = get_model_type(model.config.model_type).parts().exported
    model = exported(model) if exported else model
    with tempfile.TemporaryDirectory() as directory:
        write_archive(model, directory, batch=1, lengths=lengths, columns=1)
        for path, quantize in files.items():
            content = convert(directory, quantize, lengths)
            if quantize:
                table = model.encoder.embeddings.word_embeddings.numpy()
                content = scale_table_by_rows(content, table)
            elif len(lengths) > 1:
                content = pack(unpack(content))
            if model.head.task:
                content = add_metadata(content, describe_head(model.head, lengths[-1]))
            require_weights(content, model, quantize, lengths[-1])
            write_atomically(path, content)


def convert(saved_model, quantize, lengths):
    """Converts a SavedModel with TensorFlow's converter.

    Args:
        saved_model: its folder, of `write_archive`.
        quantize: as for `export_tflite`.
        lengths: tuple of the lengths of its signatures.

    Returns:
        bytes of a TFLite file.
    """
    import tensorflow as tf

    with quiet_native_output():
        converter = tf.lite.TFLiteConverter.from_saved_model(
            saved_model, signature_keys=list(names_of(lengths).values())
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


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
