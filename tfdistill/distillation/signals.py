"""Signals: the tensors of a model that losses compare, and how a teacher's are cached.

On disk, a cached signal is one or two NumPy arrays with one entry per row of text:

    last_hidden_state, embeddings     float16 (length, hidden)
    hidden_states-LAYER               float16 (length, hidden)
    ROWS-TEMPERATURE-ids              uint16, int32 for large vocabularies (tokens, k)
    ROWS-TEMPERATURE-logs             float16 (tokens, k + 1)

ROWS is `token_rows` (all tokens of a row of text) or `masked_rows` (its masked tokens). `ids` are
the k likeliest tokens, `logs` the logarithms of their probabilities and of the sum of all others.
`CachedStates` and `CachedTopK` make these names and look the arrays up; nothing parses a name.

Logits of small heads are cached by example (`CachedLogits`; see `data.labelled.answers`).
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

ENCODER_SIGNALS = frozenset(
    ("embeddings", "hidden_states", "attention_scores", "attention_probs")
    + ("queries", "keys", "values", "last_hidden_state")
)
# Inputs of a vocabulary head's projection: for all tokens, and for the masked tokens. Its logits
# are too large to hold; losses compute them in chunks from these rows and the signal "decoder".
TOKEN_ROWS, MASKED_ROWS = "token_rows", "masked_rows"
VOCABULARY_SIGNALS = frozenset((TOKEN_ROWS, MASKED_ROWS))
LOGITS = "logits"  # of a small head, in whatever shape the head gives them
PAIR_LOGITS = "pair_logits"  # (batch, 2), of a `NextSentenceHead`
HEAD_SIGNALS = VOCABULARY_SIGNALS | {LOGITS, PAIR_LOGITS}
TOP_K = 64  # tokens whose probabilities are cached; docs/PERFORMANCE.md measures the rest


@dataclasses.dataclass(frozen=True)
class TeacherSignals:
    """Signals of the teachers for one batch.

    Args:
        signals: tuple of dicts of signals (see `compute_signals`), one per teacher. The first
            teacher's holds everything; the others' hold the signals of their heads. From the cache
            of a text it is a single dict.
        shares: weights of the teachers in the mean of their probabilities; they sum to 1.
        vocabulary: number of token ids that all teachers have.
    """

    signals: tuple[Mapping, ...]
    shares: tuple[float, ...]
    vocabulary: int


@dataclasses.dataclass(frozen=True)
class RowSizes:
    """Sizes that determine the arrays of one row of text.

    Args:
        length: tokens.
        masked: masked tokens.
        width: hidden size of the teacher.
        vocabulary: number of token ids that student and teachers have.
    """

    length: int
    masked: int
    width: int
    vocabulary: int


@dataclasses.dataclass(frozen=True)
class CachedStates:
    """Hidden states of the first teacher that are cached.

    Args:
        signal: "embeddings", "hidden_states" or "last_hidden_state".
        layer: index in `hidden_states`, where 0 stands for the embeddings; 0 for other signals.
    """

    signal: str
    layer: int = 0

    @property
    def name(self):
        """Name of the array."""
        layered = self.signal == "hidden_states"
        return f"{self.signal}-{self.layer}" if layered else self.signal

    def arrays(self, sizes):
        """Arrays of one row: dict of names to (shape, NumPy dtype); `sizes` is `RowSizes`."""
        return {self.name: ((sizes.length, sizes.width), np.float16)}

    def restore(self, signals, arrays):
        """Adds the signal to a dict of signals.

        Args:
            signals: dict, changed in place.
            arrays: dict of the names of `arrays` to tensors with a leading batch dimension.
        """
        if self.signal == "hidden_states":
            signals.setdefault(self.signal, {})[self.layer] = arrays[self.name]
        else:
            signals[self.signal] = arrays[self.name]


@dataclasses.dataclass(frozen=True)
class CachedTopK:
    """Softened probabilities of the teachers that are cached: those of the likeliest tokens.

    Args:
        rows: `TOKEN_ROWS` or `MASKED_ROWS`.
        temperature: divides the teachers' logits.
        most: the most tokens whose probabilities are cached.
    """

    rows: str
    temperature: float = 1.0
    most: int = dataclasses.field(default=TOP_K, compare=False)

    @property
    def name(self):
        """Beginning of the names of the arrays."""
        return f"{self.rows}-{self.temperature}"

    @property
    def array_names(self):
        """Names of the arrays of ids and of logarithms."""
        return f"{self.name}-ids", f"{self.name}-logs"

    def k(self, vocabulary):
        """Number of tokens that are cached: never all, since the others' sum is cached too."""
        return min(self.most, vocabulary - 1)

    def arrays(self, sizes):
        """Arrays of one row: dict of names to (shape, NumPy dtype); `sizes` is `RowSizes`."""
        tokens = sizes.masked if self.rows == MASKED_ROWS else sizes.length
        k = self.k(sizes.vocabulary)
        ids, logs = self.array_names
        dtype = np.uint16 if sizes.vocabulary <= 2**16 else np.int32
        return {ids: ((tokens, k), dtype), logs: ((tokens, k + 1), np.float16)}

    def restore(self, signals, arrays):
        """Adds (ids, logarithms) to `signals["top_k"]`; arguments as for `CachedStates`."""
        signals.setdefault("top_k", {})[self] = tuple(arrays[name] for name in self.array_names)


@dataclasses.dataclass(frozen=True)
class CachedLogits:
    """Logits of a small head that come with the batch, in the shape of the student's logits."""

    name = LOGITS

    def restore(self, signals, arrays):
        """Adds the logits; arguments as for `CachedStates`."""
        signals[LOGITS] = arrays[self.name]


def compute_signals(model, batch, names, **options):
    """Runs a model once and returns the requested signals.

    Args:
        model: a `Model`.
        batch: dict with input_ids, attention_mask int32 (batch, length) and the inputs of the
            head: masked_positions int32 (batch, masked) for `MASKED_ROWS` and `PAIR_LOGITS`.
        names: names from `ENCODER_SIGNALS` and `HEAD_SIGNALS`. Where none of them needs all rows
            of the last layer, it computes only those that the head reads.
        **options: of `Encoder.call`: dropout, keep_layers, remat.

    Returns:
        A dict of the named signals, perhaps with others; `VOCABULARY_SIGNALS` come with
        `decoder`: (kernel (vocab, hidden), bias (vocab,)).
    """
    names = set(names)
    taps = ENCODER_SIGNALS & names
    if not HEAD_SIGNALS & names:
        return model.encode(batch, taps=taps, **options)
    if TOKEN_ROWS in names:
        taps |= {"last_hidden_state"}
    read = _with_first_token(batch) if PAIR_LOGITS in names else batch
    rows, signals = model.encode_rows(read, taps=taps, **options)  # (batch, rows, hidden)
    if PAIR_LOGITS in names:
        first, rows = rows[:, :1], rows[:, 1:]
        signals[PAIR_LOGITS] = model.next_sentence.logits(first, batch, model.encoder.embeddings)
    if LOGITS in names:
        signals[LOGITS] = model.logits(rows, batch, options.get("dropout"))
    if VOCABULARY_SIGNALS & names:
        signals["decoder"] = (model.decoder_kernel, model.head.bias)
    if TOKEN_ROWS in names:
        hidden = signals["last_hidden_state"]
        signals[TOKEN_ROWS] = model.head.transform(hidden)  # (batch, length, hidden)
        if MASKED_ROWS in names:
            signals[MASKED_ROWS] = model.gather(signals[TOKEN_ROWS], batch["masked_positions"])
    elif MASKED_ROWS in names:
        signals[MASKED_ROWS] = model.head.transform(rows)  # (batch, masked, hidden)
    return signals


def _with_first_token(batch):
    """The batch with the first token before the masked ones, for a head of pairs."""
    positions = batch["masked_positions"]
    first = tf.zeros_like(positions[:, :1])
    return {**batch, "masked_positions": tf.concat([first, positions], axis=1)}


def decoder_of(signals, vocabulary=None):
    """The vocabulary projection, limited to the token ids that several models share.

    Args:
        signals: of `compute_signals`, with `decoder`.
        vocabulary: number of leading ids to take; None for all.

    Returns:
        (kernel (vocabulary, hidden), bias (vocabulary,)).
    """
    kernel, bias = signals["decoder"]
    if vocabulary is None or vocabulary == kernel.shape[0]:
        return kernel, bias
    return tuple(tf.convert_to_tensor(each)[:vocabulary] for each in (kernel, bias))
