"""The work in the operators of an exported BERT: what its latency is a sum of.

It counts what the file of one length does for one text. The last layer computes the row that the
head reads: the [MASK] of masked LM, or [CLS]. Where a head reads all tokens, it computes all.
"""

import math

POOLER, VOCABULARY = "pooler", "vocabulary"  # parts of heads that have matrices
BYTES = {"float32": 4, "int8": 1}  # of a weight, by variant
COLUMNS = 16, 32  # that a product may compute at once; the last ones of a matrix are padding
CACHES = 1, 2, 4, 8, 16, 32  # megabytes


def work_of(config, length, head, variant="int8"):
    """The work of a file for one text, by operator.

    Args:
        config: `EncoderConfig` of a model with BERT's block.
        length: tokens in the file's rows.
        head: `VOCABULARY` for masked LM, `POOLER` for one that reads [CLS], "" for one that reads
            all tokens.
        variant: "float32" or "int8".

    Returns:
        dict of names to numbers:
            "file": 1.
            "layer": layers: what their operators cost at any size.
            "product": multiply-adds of fully connected operators with a row for each token.
            "padding_16", "padding_32": those that they would have with columns filled to a multiple
                of 16, above those of "product"; and to one of 32, above those to 16.
            "product_input": numbers that they read, which an int8 file rounds.
            "product_output": numbers that they write.
            "row_product": multiply-adds of those with a single row, the vocabulary's among them.
            "word": logits.
            "attention": multiply-adds of queries and keys, and of weights and values.
            "attention_input": numbers of queries, keys and values, which are transposed.
            "score": scores of attention, which softmax reads and writes.
            "head": heads of the layers that compute all rows.
            "stream": numbers of the hidden states that residuals and norms read.
            "neuron": numbers that the activation reads.
            "row_beyond_1_mb" and so on: bytes of the matrices of "row_product" for which a cache of
                this size has no room, where it holds the file's other weights first: a product of
                one row waits for its weights, while one of many has work to do.
            "beyond_1_mb" and so on: bytes of the matrices of "product" that such a cache cannot
                hold by themselves.
    """
    work = {"file": 1, "layer": config.num_hidden_layers}
    work |= dict.fromkeys(_PARTS, 0)
    width, attention = config.hidden_size, config.attention_size
    heads, neurons = config.num_attention_heads, config.intermediate_size
    work["stream"] += length * width  # of the embeddings
    for layer in range(config.num_hidden_layers):
        last = bool(head) and layer == config.num_hidden_layers - 1
        rows = 1 if last else length
        _product(work, length, width, attention)
        _product(work, length, width, attention)
        _product(work, rows, width, attention)
        _product(work, rows, attention, width)
        _product(work, rows, width, neurons)
        _product(work, rows, neurons, width)
        if not last:
            work["attention"] += 2 * length * length * attention
            work["score"] += heads * length * length
            work["head"] += heads
        work["attention_input"] += (2 if last else 3) * length * attention
        work["neuron"] += rows * neurons
        work["stream"] += 2 * rows * width
    if head:
        _product(work, 1, width, width)
    if head == VOCABULARY:
        _product(work, 1, width, config.vocab_size)
        work["word"] = config.vocab_size
    read = BYTES[variant] * weights_read(config, head)
    waited = BYTES[variant] * work["row_product"]
    for megabytes in CACHES:
        cache = 10**6 * megabytes
        work[f"row_beyond_{megabytes}_mb"] = min(waited, max(0, read - cache))
        work[f"beyond_{megabytes}_mb"] = max(0, read - waited - cache)
    return work


_PARTS = (
    *("product", "padding_16", "padding_32", "product_input", "product_output"),
    *("row_product", "word"),
    *("attention", "attention_input", "score", "head", "stream", "neuron"),
)


def weights_read(config, head):
    """Numbers in the matrices that a run reads as a whole: all but the tables of embeddings.

    Args:
        config, head: as for `work_of`.

    Returns:
        int.
    """
    width, attention = config.hidden_size, config.attention_size
    layers = config.num_hidden_layers * width * (4 * attention + 2 * config.intermediate_size)
    words = config.vocab_size if head == VOCABULARY else 0
    return layers + (width**2 if head else 0) + width * words


def _product(work, rows, inputs, outputs):
    if rows == 1:
        work["row_product"] += inputs * outputs
        return
    work["product"] += rows * inputs * outputs
    work["product_input"] += rows * inputs
    work["product_output"] += rows * outputs
    for columns in COLUMNS:
        filled = columns * math.ceil(outputs / columns)
        work[f"padding_{columns}"] += rows * inputs * (filled - outputs)
        outputs = filled
