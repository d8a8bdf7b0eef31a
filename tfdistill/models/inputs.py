"""What a model is called with: rows of ids in any form that holds them, or one clear line."""

from collections.abc import Mapping

import keras
import numpy as np

from tfdistill.system.errors import UserError

# Whole numbers, and the limit of each in the words of a model's shape.
LIMITS = {"input_ids": "vocab_size", "token_type_ids": "type_vocab_size"}
ROWS = ("input_ids", "attention_mask", "token_type_ids", "masked_positions")


def as_batch(inputs, config):
    """Makes the dict of a batch out of what a user has.

    Args:
        inputs: a dict, or another mapping such as a tokenizer of transformers returns, with
            "input_ids" and perhaps the other `ROWS`; or the ids alone. Each may be a tensor, an
            array, or a list of rows.
        config: EncoderConfig of the model.

    Returns:
        dict; lists are NumPy arrays, int32 where they hold ids or positions, and tensors are as
        they were.

    Raises:
        UserError: there are no ids, rows differ in length, or an id or a row is beyond the model.
    """
    batch = dict(inputs) if isinstance(inputs, Mapping) else {"input_ids": inputs}
    if batch.get("input_ids") is None:
        batch.pop("input_ids", None)
        found = ", ".join(map(str, batch)) or "nothing"
        raise UserError(
            f"the inputs hold no input_ids, but {found}: give {{'input_ids': rows of ids}}"
        )
    # Whatever else is there is not the model's, but tensors harm nobody.
    batch = {key: value for key, value in batch.items() if key in ROWS or _is_tensor(value)}
    for name in ROWS:
        if batch.get(name) is None:
            batch.pop(name, None)
            continue
        if not _is_tensor(batch[name]):
            batch[name] = _array(name, batch[name])
            _require_below(name, batch[name], config)
            if name != "attention_mask":
                batch[name] = batch[name].astype(np.int32)
        shape = _shape(batch[name])
        if shape is not None and len(shape) != 2:
            raise UserError(
                f"{name} has the shape {shape}: give rows, (batch, length), such as "
                "[[101, 103, 102]]"
            )
    _require_fit(batch, config)
    return batch


def _is_tensor(value):
    return isinstance(value, keras.KerasTensor) or keras.ops.is_tensor(value)


def _shape(value):
    """tuple, with None for what is open; None where even the number of axes is."""
    try:
        return tuple(value.shape)
    except ValueError:
        return None


def _array(name, value):
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind in "US":
        raise UserError(
            f"{name} is text: give ids, as tfdistill.load_tokenizer(…).encode(text, length) does"
        )
    if not array.size and not isinstance(value, np.ndarray):
        raise UserError(f"{name} is empty: give rows, (batch, length), such as [[101, 103, 102]]")
    if array.dtype == object and array.ndim == 2:
        raise UserError(f"{name} holds what is no whole number of 64 bits: give ids")
    if array.dtype == object:
        raise UserError(
            f"{name} has rows of different lengths: pad them with [PAD] to one, and give "
            "attention_mask, 1 for tokens and 0 for padding"
        )
    if name == "attention_mask":
        return array
    if not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"{name} holds numbers of type {array.dtype}: give whole ones")
    return array


def _require_below(name, array, config):
    limit = getattr(config, LIMITS[name]) if name in LIMITS else None
    if not (array.size and limit):
        return
    # TensorFlow on a GPU would take a row of zeros for such an id, and say nothing.
    _require_range(name, array, limit, "the model knows")


def _require_range(name, array, limit, who):
    wrong = array[(array < 0) | (array >= limit)]
    if wrong.size:
        raise UserError(f"{name} holds {wrong[0]}, and {who} 0 to {limit - 1}")


def _require_fit(batch, config):
    shape = _shape(batch["input_ids"])
    if shape is None or shape[1] is None:
        return
    if shape[1] > config.max_position_embeddings:
        raise UserError(
            f"rows of {shape[1]} tokens are longer than the model's "
            f"{config.max_position_embeddings} positions: cut them (`length`)"
        )
    for name in ("attention_mask", "token_type_ids"):
        other = _shape(batch[name]) if name in batch else None
        if other and None not in (*shape, *other) and other != shape:
            raise UserError(f"{name} is {other} and input_ids {shape}: give them one shape")
    positions = batch.get("masked_positions")
    if positions is None:
        return
    rows = _shape(positions)[0]
    if None not in (rows, shape[0]) and rows != shape[0]:
        raise UserError(f"masked_positions has {rows} rows and input_ids {shape[0]}: give as many")
    if not _is_tensor(positions):
        _require_range("masked_positions", positions, shape[1], "rows have the positions")
