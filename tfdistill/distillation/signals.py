"""What a model shows of a batch: the tensors that losses compare."""

import tensorflow as tf

ENCODER_SIGNALS = frozenset(
    ("embeddings", "hidden_states", "attention_scores", "attention_probs")
    + ("queries", "keys", "values")
)
# Rows that the vocabulary projection would turn into logits: of all tokens, of the masked tokens.
TOKEN_ROWS, MASKED_ROWS = "token_rows", "masked_rows"
HEAD_SIGNALS = frozenset((TOKEN_ROWS, MASKED_ROWS))


def compute_signals(model, batch, names, **options):
    """Runs a model once and collects what was asked for.

    Args:
        model: a `MaskedLanguageModel`.
        batch: dict with input_ids, attention_mask int32 (batch, length) and masked_positions
            int32 (batch, masked).
        names: signals out of `ENCODER_SIGNALS` and `HEAD_SIGNALS`.
        **options: of `Encoder.call`: dropout, keep_layers, remat.

    Returns:
        A dict of the named signals, with `last_hidden_state`; those of the head come with
        `decoder`: (kernel (vocab, hidden), bias (vocab,)).
    """
    taps = ENCODER_SIGNALS & set(names)
    signals = model.encode(batch, taps=taps, **options)
    hidden = signals["last_hidden_state"]  # (batch, length, hidden)
    if HEAD_SIGNALS & set(names):
        signals["decoder"] = (model.decoder_kernel, model.head.bias)
    if TOKEN_ROWS in names:
        signals[TOKEN_ROWS] = model.head.transform(hidden)  # (batch, length, hidden)
        if MASKED_ROWS in names:
            signals[MASKED_ROWS] = model.gather(signals[TOKEN_ROWS], batch["masked_positions"])
    elif MASKED_ROWS in names:
        rows = model.gather(hidden, batch["masked_positions"])  # (batch, masked, hidden)
        signals[MASKED_ROWS] = model.head.transform(rows)
    return signals


def decoder_of(signals, words=None):
    """The vocabulary projection of the ids that several models have.

    Args:
        signals: of `compute_signals`, with `decoder`.
        words: the first ids that are taken; None: all.

    Returns:
        (kernel (words, hidden), bias (words,)).
    """
    kernel, bias = signals["decoder"]
    if words is None or words == kernel.shape[0]:
        return kernel, bias
    return tuple(tf.convert_to_tensor(each)[:words] for each in (kernel, bias))
