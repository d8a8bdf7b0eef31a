"""A bidirectional LSTM over word embeddings (Tang et al., 2019), arXiv:1903.12136."""

import keras
import tensorflow as tf
from keras import ops

from tfdistill.models.dense import dense

GATES = 4  # input, forget, cell, output: the order of Keras and PyTorch
_FORGET = 1


class WordEmbeddings(keras.layers.Layer):
    """A table of word embeddings, which are read as they are.

    Args:
        config: BiLstmConfig.
        name: str.

    Attributes:
        word_embeddings: variable (vocab, width).
        position_embeddings, token_type_embeddings: None.
    """

    position_embeddings = token_type_embeddings = None

    def __init__(self, config, name="embeddings"):
        # No autocast: it would copy the whole table before each lookup.
        super().__init__(name=name, autocast=False)
        self.config = config

    @property
    def width(self):
        """Width of the table."""
        return self.config.embedding_size

    def build(self, input_shape=None):
        self.word_embeddings = self.add_weight(
            shape=(self.config.vocab_size, self.width),
            initializer="zeros",
            name="word_embeddings",
            autocast=False,
        )

    def call(self, input_ids, token_type_ids=None, dropout=None):
        """Embeds tokens; arguments as `Embeddings.call`. Returns (batch, length, width)."""
        return ops.take(self.word_embeddings, input_ids, axis=0)

    def layer_options(self, inputs):
        """Of pairs, where the second text stands; see `Embeddings.layer_options`."""
        types = inputs.get("token_type_ids") if self.config.compares_pairs else None
        return {"token_type_ids": types}

    def restrict_gradient(self, variable, gradient, rows=None):
        """The gradient as it is; arguments as of `Embeddings.restrict_gradient`."""
        return gradient


class Direction(keras.layers.Layer):
    """The weights of one direction of the LSTM (Hochreiter and Schmidhuber, 1997; Gers et al.,
    2000, for the forget gate).

    Args:
        config: BiLstmConfig.
        name: str.

    Attributes:
        inputs: the dense layer of the words, with the bias; that of the forget gate begins at 1
            (Jozefowicz et al., 2015).
        recurrent: variable (units, 4 * units).
    """

    def __init__(self, config, name):
        super().__init__(name=name)
        self.config = config
        self.inputs = dense(GATES * config.units, "inputs")

    def build(self, input_shape):
        units = self.config.units
        self.inputs.build(input_shape)
        forget = [float(gate == _FORGET) for gate in range(GATES) for _ in range(units)]
        self.inputs.bias.assign(forget)
        self.recurrent = self.add_weight(
            shape=(units, GATES * units), initializer="zeros", name="recurrent"
        )

    def step(self, word, state):
        """One step.

        Args:
            word: (batch, 4 * units), what `inputs` makes of the token.
            state: (output (batch, units), cell float32 (batch, units)).

        Returns:
            The next state.
        """
        output, cell = state
        gates = ops.cast(word + ops.matmul(output, self.recurrent), "float32")
        take, keep, new, give = ops.split(gates, GATES, axis=-1)
        cell = ops.sigmoid(keep) * cell + ops.sigmoid(take) * ops.tanh(new)
        return ops.cast(ops.sigmoid(give) * ops.tanh(cell), output.dtype), cell


class BiLstmLayer(keras.layers.Layer):
    """An LSTM in each direction. Padding leaves its state as it is, wherever it stands.

    So a row's last forward state is that of its last real token, and its first backward state
    that of the first one. Of a pair, both directions begin afresh where the other text begins: the
    states are those of each text alone.

    Args:
        config: BiLstmConfig.
        index: 0.
        name: str.

    Attributes:
        directions: (forward `Direction`, backward `Direction`).
    """

    def __init__(self, config, index, name):
        super().__init__(name=name)
        self.config = config
        self.directions = (Direction(config, "forward"), Direction(config, "backward"))

    def build(self, input_shape):
        for direction in self.directions:
            direction.build((*input_shape[:-1], self.config.embedding_size))

    def call(
        self,
        hidden,
        select=None,
        attention_mask=None,
        dropout=None,
        taps=frozenset(),
        token_type_ids=None,
    ):
        """Reads rows.

        Args:
            hidden: (batch, length, embedding), with a static length.
            select: function of (batch, length, size) to the rows that are returned; None: all.
            attention_mask: bool (batch, length), False for padding; None: no padding.
            dropout: ignored.
            taps: names of tensors to return; an LSTM has none.
            token_type_ids: int (batch, length), 1 for the second text of a pair; None: one text.

        Returns:
            ((batch, rows, hidden), {}): the states after each token, forward and backward.
        """
        length = hidden.shape[1]
        words = [
            ops.transpose(direction.inputs(hidden), (1, 0, 2)) for direction in self.directions
        ]  # (length, batch, 4 * units)
        real = None if attention_mask is None else _by_time(attention_mask)
        begins, ends = (None, None)
        if token_type_ids is not None:
            begins, ends = map(_by_time, borders(token_type_ids, attention_mask))
        states = _both(self.directions, words, (real, real), (begins, ends), length)
        found = ops.concatenate([ops.transpose(each, (1, 0, 2)) for each in states], axis=-1)
        return found if select is None else select(found), {}


def borders(token_type_ids, attention_mask=None):
    """Where the second text of a pair begins, and where the first ends.

    Args:
        token_type_ids: int (batch, length), 1 for the second text.
        attention_mask: (batch, length), 0 or False for padding; None: no padding.

    Returns:
        Two bool (batch, length): the first token of the second text, and the token before it. A row
        of one text has none.
    """
    second = ops.cast(token_type_ids, "bool")
    if attention_mask is not None:
        second = ops.logical_and(second, ops.cast(attention_mask, "bool"))
    nothing = ops.zeros_like(second[:, :1])
    before = ops.concatenate([nothing, second[:, :-1]], axis=1)
    begins = ops.logical_and(second, ops.logical_not(before))
    return begins, ops.concatenate([begins[:, 1:], nothing], axis=1)


def _by_time(mask):
    """(batch, length) to float32 (length, batch, 1), of 1 and 0."""
    # Not a cast: TensorFlow would transpose bools, for which some processors have no fast kernel.
    return ops.transpose(ops.where(ops.cast(mask, "bool"), 1.0, 0.0))[..., None]


def _both(directions, words, real, fresh, length):
    """Runs both directions in one loop: the states (length, batch, units) of each.

    Args:
        directions: the two `Direction`s.
        words: two (length, batch, 4 * units).
        real: two (length, batch, 1), above 0 for tokens, or None for no padding.
        fresh: the same: before these tokens a state begins at zero.
        length: int.
    """
    units = directions[0].config.units
    arrays = [_readable(each, length) for each in (*words, *real, *fresh)]
    start = []
    for each in words:
        zeros = ops.zeros_like(each[0, :, :units])
        start += [zeros, ops.cast(zeros, "float32")]
    outputs = tuple(
        tf.TensorArray(each.dtype, length, element_shape=(each.shape[1], units)) for each in words
    )

    def body(time, state, outputs):
        places = time, length - 1 - time
        found, written = [], []
        for number, (direction, place) in enumerate(zip(directions, places, strict=True)):
            word, keeps, begins = (
                array and array.read(place) for array in arrays[number :: len(directions)]
            )
            before = state[2 * number : 2 * number + 2]
            if begins is not None:
                before = [tf.where(begins > 0, tf.zeros((), s.dtype), s) for s in before]
            after = direction.step(word, before)
            if keeps is not None:
                pairs = zip(after, before, strict=True)
                after = [tf.where(keeps > 0, new, old) for new, old in pairs]
            found += after
            written.append(outputs[number].write(place, after[0]))
        return time + 1, tuple(found), tuple(written)

    _, _, outputs = tf.while_loop(
        lambda time, *_: time < length,
        body,
        (tf.constant(0), tuple(start), outputs),
        maximum_iterations=length,
    )
    return [each.stack() for each in outputs]


def _readable(tensor, length):
    if tensor is None:
        return None
    array = tf.TensorArray(tensor.dtype, length, element_shape=tensor.shape[1:])
    return array.unstack(tensor)
