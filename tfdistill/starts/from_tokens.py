"""Students without layers that start from their teacher: its vectors of single tokens.

The method is Model2Vec's (Tulkens and van Dongen, 2024): each entry of the vocabulary is run
through the teacher as a text of its own, the vectors are reduced to their principal components, and
tokens weigh less the more frequent they are.
"""

import numpy as np
import tensorflow as tf

from tfdistill.data.labelled.encoding import encode_texts
from tfdistill.models.heads.pooling import mean_of_tokens
from tfdistill.starts.components import principal_axes

ROWS = 256  # tokens that run through the teacher at once
LONGEST = 16  # tokens of the teacher's that an entry of another vocabulary may have
SIF = 1e-3  # a of Arora et al. (2017); 1e-4, model2vec's for Zipf's law, was worse with counts


def token_rows(student, teacher):
    """Rows of token ids, one for each entry of a vocabulary, as texts of their own.

    Args:
        student: the `TextTokenizer` whose entries they are.
        teacher: the `TextTokenizer` of the model that reads them; the same object if they share
            one. Another tokenizer splits the text of an entry.

    Returns:
        (ids, mask): int32 (vocabulary, length).
    """
    entries = np.arange(student.vocab_size, dtype=np.int32)
    if teacher is student:
        frame = teacher.text_pipeline().encode("").ids
        first = frame[:1] if frame[:1] == [teacher.role_ids.get("cls")] else []
        rows = [[*first, entry, *frame[len(first) :]] for entry in entries]
        return np.array(rows, np.int32), np.ones((len(rows), len(rows[0])), np.int32)
    texts = list(map(student.text_of, entries))
    found = encode_texts(teacher, texts, [None] * len(texts), LONGEST)
    mask = np.arange(found.tokens.max()) < found.tokens[:, None]
    ids = np.full(mask.shape, teacher.pad_id, np.int32)
    ids[mask] = found.ids
    return ids, mask.astype(np.int32)


def token_vectors(model, ids, mask, progress=lambda done, text: None):
    """What a model makes of short texts, before its head's last layer.

    Args:
        model: a `Model`, with a head of whole texts or without one.
        ids, mask: int32 (rows, length).
        progress: called with the number of rows that are done, and a unit.

    Returns:
        float32 (rows, width): what the head pools; without a head, means over the tokens.
    """

    @tf.function(autograph=False)
    def run(inputs):
        if model.head is None:
            states = model.encode(inputs)["last_hidden_state"]
            return mean_of_tokens(tf.cast(states, tf.float32), inputs["attention_mask"])
        hidden, _ = model.encode_rows(inputs)
        return tf.cast(model.head.pool(hidden, inputs), tf.float32)

    found = []
    for start in range(0, len(ids), ROWS):
        part = np.arange(start, start + ROWS) % len(ids)  # every call has one shape
        batch = {"input_ids": tf.constant(ids[part]), "attention_mask": tf.constant(mask[part])}
        found.append(run(batch).numpy()[: len(ids) - start])
        progress(min(start + ROWS, len(ids)), "tokens")
    return np.concatenate(found)


def principal_components(vectors, width, weights):
    """Vectors without their mean, in the coordinates that keep most of them.

    Args:
        vectors: float (rows, size).
        width: int, at most `size`.
        weights: float (rows,), what each row counts.

    Returns:
        float32 (rows, width); for `width` = `size` in the coordinates of `vectors`.
    """
    vectors, weights = vectors.astype(np.float64), weights / weights.sum()
    centred = vectors - weights @ vectors
    if width < vectors.shape[1]:
        centred = centred @ principal_axes(centred, width, weights)
    return centred.astype(np.float32)


def frequency_weights(counts):
    """Weights that are smaller for frequent tokens: a / (a + p) (Arora et al., 2017, equation 3).

    Args:
        counts: int (vocabulary,), how often each token occurs in a text.

    Returns:
        float32 (vocabulary,).
    """
    share = (counts + 1.0) / (counts + 1.0).sum()
    return (SIF / (SIF + share)).astype(np.float32)


def fill(student, vectors, counts):
    """Makes the encoder of a student out of the teacher's vectors of its tokens.

    Args:
        student: a `Model` whose encoder is static.
        vectors: float32 (vocabulary, teacher's width).
        counts: int (vocabulary,), how often each token occurs in the training text.
    """
    embeddings, config = student.encoder.embeddings, student.config
    counted = np.ones(len(vectors))
    counted[list(config.uncounted_ids)] = 0
    rows = principal_components(vectors, config.hidden_size, counted)
    embeddings.word_embeddings.assign(rows * counted[:, None])
    embeddings.token_weights.assign(frequency_weights(counts))
