"""Signatures of a SavedModel that take texts, with the tokenizer in the graph.

`serving_strings` has the input `text`, `serving_string_pairs` also `text_pair`: strings (batch,).
Outputs are those of `serving_default`. Of masked LM, a text holds [MASK] tokens, and the output
`masked_positions`, int32 (batch, most in a text), has their places, 0 for none.
"""

from tfdistill.data.graph_tokenizer import GraphTokenizer, refusal

STRINGS, PAIRS = "serving_strings", "serving_string_pairs"
_OF_PAIRS = "text_classification", "regression"
# Their outputs belong to words and characters of the text, which a graph does not return.
_WITHOUT = "token_classification", "question_answering"


def graph_tokenizer(tokenizer, head):
    """The tokenizer of a model as operators.

    Args:
        tokenizer: the model's `TextTokenizer`.
        head: the model's head.

    Returns:
        `GraphTokenizer`; None if it cannot be written, or if the outputs belong to tokens.
    """
    if head.task in _WITHOUT or refusal(tokenizer, not head.task):
        return None
    return GraphTokenizer(tokenizer, keeps_special=not head.task)


def warnings(tokenizer, head):
    """Says that a SavedModel takes no strings; arguments as of `graph_tokenizer`.

    Returns:
        A list of at most one sentence.
    """
    reason = "" if head.task in _WITHOUT else refusal(tokenizer, not head.task)
    return [f"saved_model has no signature for strings: {reason}"] if reason else []


def add(archive, model, strings, length, serve):
    """Adds the signatures.

    Args:
        archive: Keras's `ExportArchive`.
        model: the `Model`.
        strings: the `GraphTokenizer`.
        length: tokens in a row.
        serve: function of a dict of inputs to a dict of outputs.
    """
    import tensorflow as tf

    def of_texts(text, text_pair=None):
        inputs = strings.rows(text, text_pair, length=length)
        if not model.config.type_vocab_size:
            inputs.pop("token_type_ids")
        found = {}
        if model.head.extra_inputs:
            found["masked_positions"] = _places(inputs["input_ids"] == strings.mask_id)
        return serve(inputs | found) | found

    text, pair = (tf.TensorSpec([None], tf.string, name) for name in ("text", "text_pair"))
    archive.add_endpoint(STRINGS, of_texts, input_signature=[text])
    if model.head.task in _OF_PAIRS:
        archive.add_endpoint(PAIRS, of_texts, input_signature=[text, pair])


def _places(there):
    """Where each row is true: int32 (batch, most in a row), 0 for none."""
    import tensorflow as tf

    places = tf.cast(tf.where(there), tf.int32)
    rows = tf.cast(tf.shape(there)[0], tf.int64)
    found = tf.RaggedTensor.from_value_rowids(places[:, 1], tf.cast(places[:, 0], tf.int64), rows)
    return found.to_tensor(0)
