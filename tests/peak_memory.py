"""Prints how many bytes one call takes at its peak, beyond what the process held before it.

Usage: python peak_memory.py WHAT JIT    (a process of its own each; Linux and macOS)
"""

import sys

import tensorflow as tf

from tfdistill import recipes
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.losses.projected_logits import TeacherLogits
from tfdistill.distillation.losses.vocabulary import KL, cross_entropy, vocabulary_loss
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.system import hardware

TOKENS, VOCABULARY, WIDTH = 2048, 30_522, 16  # 250 MB of logits


def random_model(seed, dtype=tf.float32):
    """Rows, kernel and bias of a projection to the vocabulary; rows of that dtype."""
    parts = (TOKENS, WIDTH), (VOCABULARY, WIDTH), (VOCABULARY,)
    rows, *rest = (0.3 * tf.random.stateless_normal(part, (seed, 0)) for part in parts)
    return [tf.cast(rows, dtype), *rest]


def gradients_of(loss, student):
    """A call that computes the gradients of a function of the student's parts."""

    def call():
        with tf.GradientTape() as tape:
            tape.watch(student)
            value = loss(student)
        return [tf.cast(gradient, tf.float32) for gradient in tape.gradient(value, student)]

    return call


def between_logits(chunk, dtype=tf.float32):
    """The KL to a teacher, `chunk` tokens at a time (None: as usual)."""
    teachers, weights = [random_model(2, dtype)], tf.ones(TOKENS)

    def loss(student):
        options = dict(target=TeacherLogits(teachers), weights=weights, chunk=chunk)
        return vocabulary_loss(loss=KL, student=student, **options)

    return gradients_of(loss, random_model(1, dtype))


def masked_lm(chunk):
    """The cross-entropy of labels, `chunk` tokens at a time (None: as usual)."""
    labels, weights = tf.range(TOKENS), tf.ones(TOKENS)

    def loss(student):
        return cross_entropy(student=student, labels=labels, weights=weights, chunk=chunk)

    return gradients_of(loss, random_model(1))


def step(remat):
    """The gradients of a deep student."""
    rows, length, masked = 128, 64, 2
    shape = dict(hidden_size=64, num_hidden_layers=8, num_attention_heads=8)
    sizes = dict(vocab_size=100, intermediate_size=512, max_position_embeddings=length)
    student = MaskedLanguageModel(EncoderConfig(**shape, **sizes))
    distiller = Distiller(student, recipes.get("mlm").phases[0], options=StepOptions(remat=remat))
    batch = {
        "input_ids": tf.fill((rows, length), 7),
        "attention_mask": tf.ones((rows, length), tf.int32),
        "masked_positions": tf.fill((rows, masked), 3),
        "masked_labels": tf.fill((rows, masked), 9),
        "masked_weights": tf.ones((rows, masked)),
    }
    return lambda: distiller.gradients(batch, tf.constant(0))[0]


CALLS = {
    "KL": lambda: between_logits(None),
    "KL, all at once": lambda: between_logits(TOKENS),
    "KL in bfloat16": lambda: between_logits(None, tf.bfloat16),
    "KL in bfloat16, all at once": lambda: between_logits(TOKENS, tf.bfloat16),
    "masked LM": lambda: masked_lm(None),
    "masked LM, all at once": lambda: masked_lm(TOKENS),
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
