"""Prints how many bytes one call takes at its peak, beyond what the process held before it.

Usage: python peak_memory.py WHAT JIT    (a process of its own each; Linux and macOS)
"""

import sys

import tensorflow as tf

from tfdistill import hardware, recipes
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.vocabulary_loss import KL, vocabulary_loss
from tfdistill.models.config import EncoderConfig
from tfdistill.models.heads import MaskedLanguageModel

TOKENS, VOCABULARY, WIDTH = 2048, 30_522, 16  # 250 MB of logits


def between_logits(chunk):
    """The vocabulary loss and its gradients, `chunk` tokens at a time."""

    def model(seed):
        parts = (TOKENS, WIDTH), (VOCABULARY, WIDTH), (VOCABULARY,)
        return [0.3 * tf.random.stateless_normal(part, (seed, 0)) for part in parts]

    student, teacher, weights = model(1), model(2), tf.ones(TOKENS)

    def call():
        with tf.GradientTape() as tape:
            tape.watch(student)
            loss = vocabulary_loss(
                loss=KL, student=student, teachers=[teacher], weights=weights, chunk=chunk
            )
        return tape.gradient(loss, student)

    return call


def step(remat):
    """The gradients of a deep student."""
    rows, length, masked = 128, 64, 2
    shape = dict(hidden_size=64, num_hidden_layers=8, num_attention_heads=8)
    sizes = dict(vocab_size=100, intermediate_size=512, max_position_embeddings=length)
    student = MaskedLanguageModel(EncoderConfig(**shape, **sizes))
    distiller = Distiller(student, recipes.get("mlm").phases[0], remat=remat)
    batch = {
        "input_ids": tf.fill((rows, length), 7),
        "attention_mask": tf.ones((rows, length), tf.int32),
        "masked_positions": tf.fill((rows, masked), 3),
        "masked_labels": tf.fill((rows, masked), 9),
        "masked_weights": tf.ones((rows, masked)),
    }
    return lambda: distiller.gradients(batch, tf.constant(0))[0]


CALLS = {
    "vocabulary loss": lambda: between_logits(512),
    "vocabulary loss, all at once": lambda: between_logits(TOKENS),
    "step": lambda: step(remat=False),
    "step with remat": lambda: step(remat=True),
}


def main(what, jit_compile):
    call = tf.function(CALLS[what](), autograph=False, jit_compile=jit_compile)
    call.get_concrete_function()  # tracing is not what is measured
    before = hardware.peak_memory_bytes()
    sum(float(tf.reduce_sum(gradient)) for gradient in call())
    print(hardware.peak_memory_bytes() - before)


if __name__ == "__main__":
    main(sys.argv[1], bool(int(sys.argv[2])))
