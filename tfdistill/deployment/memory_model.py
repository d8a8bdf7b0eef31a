"""The memory that LiteRT takes to run an exported BERT, counted from its shape.

LiteRT copies each matrix that products read, in the order in which it computes: exactly the bytes
of these weights. The rest was measured, with LiteRT 2.3.0 on x86: the runtime itself, what an
operator takes, scales, and inputs and results of operators, which share a space.
"""

from tfdistill.deployment.operators import BYTES, VOCABULARY, weights_read

RUNTIME = 200_000  # bytes, once, without Python and its modules
LAYER = 130_000  # for the operators of a layer
WORD = 24  # for the scale and zero point of a word in an int8 file, and its logit


def memory_bytes(config, length, head, variant):
    """The memory of a file of one length that runs on one thread.

    Pages of the file are not counted: the system drops them when it needs their space.

    Args:
        config, length, head, variant: as for `operators.work_of`.

    Returns:
        int, as `own_bytes` of `load_cost`.
    """
    attention, neurons = config.attention_size, config.intermediate_size
    scores = config.num_attention_heads * length
    # What is alive at once, float32: in attention, and in the feed-forward part.
    alive = length * max(config.hidden_size + 4 * attention + 2 * scores, 2 * neurons)
    words = config.vocab_size if head == VOCABULARY and variant == "int8" else 0
    weights = BYTES[variant] * weights_read(config, head)
    return RUNTIME + weights + LAYER * config.num_hidden_layers + WORD * words + 4 * alive
