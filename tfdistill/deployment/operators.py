"""The work in the operators of an exported BERT: what its latency is a sum of.

It counts what the file of one length does for one text. The last layer computes the rows that the
head reads: the [MASK] of masked LM, [CLS], or all.
"""

POOLER, VOCABULARY = "pooler", "vocabulary"  # parts of heads that have matrices


def work_of(config, length, head):
    """The work of a file for one text, by operator.

    Args:
        config: `EncoderConfig` of a model with BERT's block.
        length: tokens in the file's rows.
        head: `VOCABULARY` for masked LM, `POOLER` for a head that reads [CLS], or "" for one that
            reads all tokens and has no large matrices.

    Returns:
        dict of names to numbers:
            "file": 1.
            "layer": layers.
            "product": multiply-adds of fully connected operators with a row for each token.
            "row_product": multiply-adds of those with a single row.
            "product_input", "product_output": numbers that products of all tokens read and write.
            "attention": multiply-adds between queries and keys, and of weights and values.
            "scores": scores of attention, which softmax reads and writes.
            "head": heads of all layers.
            "stream": numbers of the hidden states that norms and residuals read.
            "neurons": numbers that the activation reads.
    """
    work = dict.fromkeys(_NAMES, 0)
    work["file"], work["layer"] = 1, config.num_hidden_layers
    width, attention = config.hidden_size, config.attention_size
    work["stream"] += length * width  # of the embeddings
    for layer in range(config.num_hidden_layers):
        rows = 1 if head and layer == config.num_hidden_layers - 1 else length
        _product(work, length, width, 2 * attention)
        _product(work, rows, width, attention)
        work["attention"] += 2 * rows * length * attention
        work["scores"] += rows * length * config.num_attention_heads
        work["head"] += config.num_attention_heads
        _product(work, rows, attention, width)
        _product(work, rows, width, config.intermediate_size)
        work["neurons"] += rows * config.intermediate_size
        _product(work, rows, config.intermediate_size, width)
        work["stream"] += 2 * rows * width
    if head:
        _product(work, 1, width, width)
    if head == VOCABULARY:
        _product(work, 1, width, config.vocab_size)
    return work


_NAMES = (
    *("file", "layer", "product", "row_product", "product_input", "product_output"),
    *("attention", "scores", "head", "stream", "neurons"),
)


def _product(work, rows, inputs, outputs):
    work["row_product" if rows == 1 else "product"] += rows * inputs * outputs
    if rows > 1:
        work["product_input"] += rows * inputs
        work["product_output"] += rows * outputs
