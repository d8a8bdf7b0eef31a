"""TensorFlow SavedModels with named inputs, the form that TensorFlow Serving loads."""

from tfdistill.system.errors import UserError
from tfdistill.system.files import folder_aside, tensorflow_os_errors
from tfdistill.system.quiet import quiet_native_output

SIGNATURE = "serving_default"


def export_saved_model(model, directory, length):
    """Writes a SavedModel whose signature `serving_default` takes batches of any size.

    Its inputs are int32: `input_ids`, `attention_mask` and, for BERT, `token_type_ids`
    (batch, length), and `masked_positions` (batch, masked). Its output `logits` is float32
    (batch, masked, vocab).

    Args:
        model: a `MaskedLanguageModel` with a head.
        directory: folder to write; an existing one is replaced when the new one is complete.
        length: tokens in a row, [CLS] and [SEP] included.

    Raises:
        UserError: the model has no head, or fewer positions than `length`.
        OSError: a write failed.
    """
    with folder_aside(directory) as aside:
        write_archive(model, aside, batch=None, length=length, masked=None)


def write_archive(model, directory, *, batch, length, masked):
    """Traces a model for one shape of inputs and writes it as a SavedModel.

    Args:
        model: a `MaskedLanguageModel` with a head.
        directory: an existing folder.
        batch: rows, or None for any number.
        length: tokens in a row.
        masked: predicted positions in a row, or None for any number.

    Raises:
        UserError: the model has no head, or fewer positions than `length`.
        OSError: a write failed.
    """
    import keras
    import tensorflow as tf

    from tfdistill.models.normalization import scales_apart

    _require_exportable(model, length)
    shapes = {"input_ids": (batch, length), "attention_mask": (batch, length)}
    if model.config.type_vocab_size:
        shapes["token_type_ids"] = (batch, length)
    shapes["masked_positions"] = (batch, masked)
    inputs = {name: tf.TensorSpec(shape, tf.int32, name) for name, shape in shapes.items()}

    def serve(inputs):
        positions = inputs["masked_positions"]
        rows = model.gather(model.encode(inputs)["last_hidden_state"], positions)
        rows = model.head.transform(tf.reshape(rows, (-1, model.config.hidden_size)))
        logits = model.head.project(rows, model.encoder.embeddings)  # (batch * masked, vocab)
        shape = tf.concat([tf.shape(positions), [model.config.vocab_size]], axis=0)
        return {"logits": tf.reshape(logits, shape)}  # (batch, masked, vocab)

    with quiet_native_output(), tensorflow_os_errors(), scales_apart():
        # ExportArchive tracks the variables; converting a traced function alone loses them.
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(SIGNATURE, serve, input_signature=[inputs])
        archive.write_out(str(directory), verbose=False)


def _require_exportable(model, length):
    if model.head is None:
        raise UserError("the model has no masked-LM head to export: train it with one first")
    positions = model.config.max_position_embeddings
    if length > positions:
        raise UserError(
            f"--length={length} is more than the model's {positions} positions: "
            f"lower --length to {positions} or less"
        )
