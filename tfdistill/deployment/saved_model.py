"""TensorFlow SavedModels with named inputs."""

from tfdistill.deployment import string_signatures
from tfdistill.deployment.signatures import LOGITS, PROBABILITIES, names_of
from tfdistill.system.errors import UserError
from tfdistill.system.files import folder_aside, tensorflow_os_errors
from tfdistill.system.quiet import quiet_native_output

GRAPH = 4  # one higher with each change of exported graphs: kept files are then made again


def export_saved_model(model, directory, length, tokenizer=None):
    """Writes a SavedModel whose signature `serving_default` takes batches of any size.

    Its inputs are int32: `input_ids`, `attention_mask` and, for BERT, `token_type_ids`
    (batch, length), and the head's further inputs, such as `masked_positions` (batch, masked) of
    masked LM. Its output is `logits`, float32, such as (batch, masked, vocab); a head with named
    classes has `probabilities`, their softmax, too, and a sentence encoder only `embedding`.

    Args:
        model: a `Model` with a head.
        directory: folder to write; an existing one is replaced when the new one is complete.
        length: tokens in a row, [CLS] and [SEP] included.
        tokenizer: the model's `TextTokenizer`, for signatures that take texts (see
            `string_signatures`), with which a SavedModel loads after `import tensorflow_text` only;
            None for no such signatures.

    Raises:
        UserError: the model has no head, or fewer positions than `length`.
        OSError: a write failed.
    """
    strings = None
    if tokenizer and model.head is not None:
        strings = string_signatures.graph_tokenizer(tokenizer, model.head)
    with folder_aside(directory) as aside:
        write_archive(model, aside, batch=None, lengths=(length,), columns=None, strings=strings)


def write_archive(model, directory, *, batch, lengths, columns, integers=False, strings=None):
    """Traces a model for each length of rows and writes it as a SavedModel.

    Args:
        model: a `Model` with a head.
        directory: an existing folder.
        batch: rows, or None for any number.
        lengths: tuple of numbers of tokens in a row; each has a signature (see `names_of`).
        columns: columns of the head's further inputs, or None for any number.
        integers: whether the graph will be computed in integers: padding is then clipped, and
            norms need no barrier.
        strings: the `GraphTokenizer` of signatures that take texts; None for none.

    Raises:
        UserError: the model has no head, or fewer positions than a length.
        OSError: a write failed.
    """
    import keras
    import tensorflow as tf

    from tfdistill.models.attention import clipped_padding
    from tfdistill.models.normalization import scales_apart

    context = clipped_padding if integers else scales_apart
    _require_exportable(model, max(lengths))

    def specs(length):
        shapes = {"input_ids": (batch, length), "attention_mask": (batch, length)}
        if model.config.type_vocab_size:
            shapes["token_type_ids"] = (batch, length)
        shapes |= dict.fromkeys(model.head.extra_inputs, (batch, columns))
        return {name: tf.TensorSpec(shape, tf.int32, name) for name, shape in shapes.items()}

    def serve(inputs):
        rows, _ = model.encode_rows(inputs)
        logits = model.head.export_logits(rows, inputs, model.encoder.embeddings)
        if not model.head.labels:
            return {model.head.output_name: logits}
        return {LOGITS: logits, PROBABILITIES: tf.nn.softmax(logits)}

    with quiet_native_output(), tensorflow_os_errors(), context():
        # ExportArchive tracks the variables; converting a traced function alone loses them.
        archive = keras.export.ExportArchive()
        archive.track(model)
        for length, name in names_of(lengths).items():
            archive.add_endpoint(name, serve, input_signature=[specs(length)])
        if strings:
            string_signatures.add(archive, model, strings, lengths[-1], serve)
        archive.write_out(str(directory), verbose=False)


def _require_exportable(model, length):
    if model.head is None:
        raise UserError("the model has no head to export: train it with one first")
    positions = model.config.max_length
    if length > positions:
        raise UserError(
            f"`length`={length} is more than the model's {positions} positions: set it to "
            f"{positions} or less"
        )
