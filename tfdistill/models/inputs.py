"""Converts and checks the inputs of a model."""

from collections.abc import Mapping

import keras
import numpy as np

from tfdistill.system.errors import UserError

# Inputs with ids, and the config field that limits each.
LIMITS = {"input_ids": "vocab_size", "token_type_ids": "type_vocab_size"}
ROWS = ("input_ids", "attention_mask", "token_type_ids", "masked_positions")


def as_batch(inputs, config):
    """Makes a batch from inputs in the forms that users have.

    Args:
        inputs: a mapping with "input_ids" and perhaps the other `ROWS`, such as a dict or the
            result of a transformers tokenizer; or the ids alone. Each may be a tensor, an array,
            or a list of rows.
        config: EncoderConfig of the model.

    Returns:
        dict. Tensors are unchanged, other values NumPy arrays, int32 for ids and positions.

    Raises:
        UserError: there are no ids, rows differ in length, an id is not in the vocabulary, or a
            row is longer than the model's positions.
    """
    batch = dict(inputs) if isinstance(inputs, Mapping) else {"input_ids": inputs}
    if batch.get("input_ids") is None:
        batch.pop("input_ids", None)
        found = ", ".join(map(str, batch)) or "nothing"
        raise UserError(
            f"the inputs have no input_ids, only {found}: give {{'input_ids': rows of ids}}"
        )
    # Other tensors may stay, such as labels; other objects cannot be traced.
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
    """tuple, with None for unknown sizes; None if the number of axes is unknown."""
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
        raise UserError(f"{name} has values that are not 64-bit integers: give ids")
    if array.dtype == object:
        raise UserError(
            f"{name} has rows of different lengths: pad them with [PAD] to one length, and give "
            "attention_mask, 1 for tokens and 0 for padding"
        )
    if name == "attention_mask":
        return array
    if not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"{name} has numbers of type {array.dtype}: give integers")
    return array


def _require_below(name, array, config):
    limit = getattr(config, LIMITS[name]) if name in LIMITS else None
    if not (array.size and limit):
        return
    # On a GPU, TensorFlow would silently use a row of zeros for such an id.
    _require_range(name, array, limit, "the model has")


def _require_range(name, array, limit, who):
    wrong = array[(array < 0) | (array >= limit)]
    if wrong.size:
        raise UserError(f"{name} has the value {wrong[0]}, but {who} 0 to {limit - 1}")


def _require_fit(batch, config):
    shape = _shape(batch["input_ids"])
    if shape is None or shape[1] is None:
        return
    if shape[1] > config.max_length:
        raise UserError(
            f"`length`={shape[1]} is over the model's {config.max_length} positions: "
            "use shorter rows"
        )
    for name in ("attention_mask", "token_type_ids"):
        other = _shape(batch[name]) if name in batch else None
        if other and None not in (*shape, *other) and other != shape:
            raise UserError(f"{name} has the shape {other}, but input_ids {shape}: make them equal")
    positions = batch.get("masked_positions")
    if positions is None:
        return
    rows = _shape(positions)[0]
    if None not in (rows, shape[0]) and rows != shape[0]:
        raise UserError(f"masked_positions has {rows} rows, but input_ids {shape[0]}")
    if not _is_tensor(positions):
        _require_range("masked_positions", positions, shape[1], "rows have the positions")
