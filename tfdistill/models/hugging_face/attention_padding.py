"""Attention heads on disk where their size is not the hidden size divided by their number.

Hugging Face's classes divide the hidden size among the heads. A model with smaller or fewer heads
is therefore written with zeros: each head is padded to the size that the fewest sufficient equal
heads have, and whole heads of zeros follow. A padded head would divide its scores by the root of
the padded size, so its queries are multiplied by sqrt(padded size / head size), bias included.
The zeros stay zeros in training, because the gradient of each is a product with another.
"""

import math

import numpy as np

from tfdistill.models.configs.stored_heads import ATTENTION, padded_heads
from tfdistill.system.errors import UserError


class Padding:
    """The padding of one tensor.

    Args:
        config: EncoderConfig with an `attention_head_size`.
        axis: the axis of the tensor that runs over the units of all heads.
        factor: what the stored numbers are multiplied by.
    """

    def __init__(self, config, axis, factor):
        stored = config.stream_size // _stored_heads(config)
        heads = np.arange(config.num_attention_heads)[:, None]
        self._units = (heads * stored + np.arange(config.head_size)).reshape(-1)
        self._size, self._axis, self._factor = config.stream_size, axis, factor

    def shape(self, shape):
        """Shape in the file of a tensor of a shape: tuple of int."""
        return tuple(self._size if axis == self._axis else n for axis, n in enumerate(shape))

    def add(self, array):
        """A tensor as the file holds it.

        Args:
            array: float32.

        Returns:
            float32 of `shape(array.shape)`.
        """
        padded = np.zeros(self.shape(array.shape), np.float32)
        padded[self._inside(array.ndim)] = array * np.float32(self._factor)
        return padded

    def remove(self, array, name):
        """The reverse of `add`.

        Args:
            array: float32, of the file.
            name: of the tensor, for the error message.

        Returns:
            float32.

        Raises:
            UserError: there are other numbers than 0 in the padding.
        """
        inside = self._inside(array.ndim)
        outside = np.ones(array.shape, bool)
        outside[inside] = False
        if np.any(array[outside]):
            raise UserError(
                f"{name} holds numbers where {ATTENTION} of config.json says that zeros are: "
                "delete that key, and the padding becomes a part of the model"
            )
        return array[inside] / np.float32(self._factor)

    def _inside(self, axes):
        return tuple(self._units if axis == self._axis else slice(None) for axis in range(axes))


def paddings(model):
    """The paddings of a model's tensors.

    Args:
        model: `Model`.

    Returns:
        dict of the id of a variable to its `Padding`; empty for a model that needs none.
    """
    config = model.config
    if config.attention_head_size is None:
        return {}
    stored = config.stream_size // _stored_heads(config)
    found = {}
    for block in model.encoder.blocks:
        queries = [id(variable) for variable in block.attention.query.variables]
        for variable, axis in block.attention.head_axes():
            factor = math.sqrt(stored / config.head_size) if id(variable) in queries else 1.0
            found[id(variable)] = Padding(config, axis, factor)
    return found


def _stored_heads(config):
    return padded_heads(config.stream_size, config.num_attention_heads, config.head_size)
