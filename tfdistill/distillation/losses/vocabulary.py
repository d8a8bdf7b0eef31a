"""Losses over a whole vocabulary, computed a chunk of tokens at a time.

The logits of 4,096 tokens over 30,522 words take half a gigabyte as one tensor, and automatic
differentiation keeps several of them. Here the projection, the softmax and the gradient of one
chunk are computed together before the next chunk, so that memory holds a single chunk. The result
is exact.

Logits are laid out as (vocab, tokens): sums over the vocabulary then run along columns, which
compilers vectorise, and the largest product of the gradient needs no transposed operand.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tfdistill.distillation.losses.means import mean_over
from tfdistill.distillation.losses.projected_logits import (
    NO_TARGET,
    cast_products,
    largest_logit,
    logits_of,
    product,
    product_type_of,
    softened,
)

CHUNK = 320  # tokens: 39 MB of float32 logits at 30,522 words; smaller products are slower
LARGEST_CHUNK = CHUNK * 30_522  # logits: with a larger vocabulary a chunk has fewer tokens
SMALLEST_CHUNK = 64
# Below this, exp(logit), its sum over a vocabulary and the ratio of two such sums are well inside
# the range of float32, so that the pass that finds the largest logit of each token is not needed.
SAFE_EXPONENT = 40.0


@dataclasses.dataclass(frozen=True)
class TokenLoss:
    """A loss of the logits of single tokens.

    Args:
        compute: function of (the student's logits, what `Target.of_chunk` returns, whether
            exponentials of the logits are safe without subtracting the largest, a function that
            sums over the vocabulary). It returns (loss per token (tokens,), two factors of the
            gradient to the student's logits: (vocab, tokens) and (1, tokens) or a float). Logits
            are float32 (vocab, tokens), divided by the temperature.
        exponentials: whether `compute` takes exponentials of logits.
    """

    compute: Callable
    exponentials: bool = True


def _kl(student_logits, teacher_logits, safe, sums):
    student_logits, student, student_sum, _ = _exponentials(student_logits, safe, sums)
    teacher_logits, teacher, teacher_sum, _ = _exponentials(teacher_logits, safe, sums)
    # KL = sum p_t (z_t - z_s) - log Z_t + log Z_s: no logarithm of every probability.
    cross = sums(teacher * (teacher_logits - student_logits))
    loss = cross / teacher_sum + tf.math.log(student_sum / teacher_sum)
    return loss[0], student - teacher * (student_sum / teacher_sum), 1.0 / student_sum


def _soft_cross_entropy(student_logits, teacher_logits, safe, sums):
    student_logits, student, student_sum, _ = _exponentials(student_logits, safe, sums)
    _, teacher, teacher_sum, _ = _exponentials(teacher_logits, safe, sums)
    loss = tf.math.log(student_sum) - sums(teacher * student_logits) / teacher_sum
    return loss[0], student - teacher * (student_sum / teacher_sum), 1.0 / student_sum


def _log_partition(logits, _, safe, sums):
    _, exponentials, total, largest = _exponentials(logits, safe, sums)
    return (tf.math.log(total) + largest)[0], exponentials, 1.0 / total


def _squared_distance(student_logits, teacher_logits, _, sums):
    difference = student_logits - teacher_logits
    return sums(difference**2)[0], difference, 2.0


def _exponentials(logits, safe, sums):
    """(Logits minus `largest`, their exponentials, the sum of the exponentials, `largest` or 0)."""
    largest = tf.zeros(())
    if not safe:
        largest = tf.reduce_max(logits, axis=0, keepdims=True)
        logits -= largest
    exponentials = tf.exp(logits)
    return logits, exponentials, sums(exponentials), largest


def sums_by_reduction(values):
    """Sums over the vocabulary of (vocab, tokens): (1, tokens)."""
    return tf.reduce_sum(values, axis=0, keepdims=True)  # (1, tokens)


def sums_by_product(values):
    """The same sums as a matrix product."""
    # Faster without XLA, which CPUs do not use for bfloat16 (docs/PERFORMANCE.md); equally fast
    # under XLA.
    return tf.matmul(tf.ones((1, values.shape[0])), values)  # (1, tokens)


# KL(teacher || student): see `whole_logits.kl_divergence`. Gradient softmax(z_s) - softmax(z_t).
KL = TokenLoss(_kl)
# -sum p_t log p_s (Jiao et al., 2020, equation 10). The gradient is that of the KL.
SOFT_CROSS_ENTROPY = TokenLoss(_soft_cross_entropy)
# Logarithm of the sum of all exponentials: a cross-entropy plus the label's logit.
LOG_PARTITION = TokenLoss(_log_partition)
# Squared distance of the logits, as in DistilBERT's training code. Gradient 2 (z_s - z_t).
SQUARED_DISTANCE = TokenLoss(_squared_distance, exponentials=False)


def chunk_for(vocabulary):
    """Tokens in a chunk: with 150,000 words a chunk takes the memory of one with 30,522."""
    return min(CHUNK, max(SMALLEST_CHUNK, LARGEST_CHUNK // vocabulary))


def vocabulary_loss(
    *, loss, student, weights, target=NO_TARGET, normalizer=None, temperature=1.0, chunk=None
):
    """Mean over tokens of a loss of the logits, without holding the logits.

    Args:
        loss: a `TokenLoss`.
        student: (rows, kernel, bias): float (tokens, hidden), float32 (vocab, hidden), (vocab,);
            the logits are rows · kernelᵀ + bias. Gradients flow to all three. Products are bfloat16
            where the student's rows are, else float32 (sums of float16 would overflow).
        weights: float (tokens,), 1 for a token that counts.
        target: a `Target`.
        normalizer: float scalar that replaces the sum of `weights`.
        temperature: divides all logits.
        chunk: the most tokens in a chunk; None: `chunk_for` the vocabulary.

    Returns:
        A float32 scalar.
    """
    weights, chunk = tf.cast(weights, tf.float32), chunk or chunk_for(student[1].shape[0])
    if normalizer is None:
        normalizer = tf.reduce_sum(weights)
    scales = tf.math.divide_no_nan(weights, normalizer)
    product_type = product_type_of(student[0])
    student, target = softened(student, temperature), target.softened(temperature)

    @tf.custom_gradient
    def summed(*student):
        models = cast_products(student, product_type), target.cast(product_type)

        def walk(safe):
            return lambda: _walk(loss, *models, safe, scales, chunk)

        if loss.exponentials:
            bound = tf.reduce_max([largest_logit(*student), *target.largest_logits()])
            # Around the loop: inside it, the branches would keep its operators from being fused.
            value, *gradients = tf.cond(bound < SAFE_EXPONENT, walk(True), walk(False))
        else:
            value, *gradients = walk(True)()
        return value, lambda upstream: tuple(upstream * gradient for gradient in gradients)

    return summed(*student)


def cross_entropy(*, student, labels, weights, normalizer=None, chunk=None):
    """Mean cross-entropy of the labels: `whole_logits.cross_entropy` without holding the logits.

    Args:
        student, weights, normalizer, chunk: as for `vocabulary_loss`.
        labels: int32 (tokens,).

    Returns:
        A float32 scalar: mean of log sum exp(logits) - logits[label].
    """
    rows, kernel, bias = student
    options = dict(weights=weights, normalizer=normalizer)
    log_partition = vocabulary_loss(loss=LOG_PARTITION, student=student, chunk=chunk, **options)
    words = tf.gather(kernel, labels)  # (tokens, hidden)
    if rows.dtype == tf.bfloat16:  # as in the product
        words = tf.cast(words, tf.bfloat16)
    products = tf.cast(rows, tf.float32) * tf.cast(words, tf.float32)
    own = tf.reduce_sum(products, axis=1)
    if rows.dtype == tf.bfloat16:  # and in its result
        own = _rounded(own)
    own += tf.gather(bias, labels)
    return log_partition - mean_over(own, **options)


@tf.custom_gradient
def _rounded(values):
    return tf.cast(tf.cast(values, tf.bfloat16), tf.float32), lambda upstream: upstream


def _walk(loss, student, target, safe, scales, chunk):
    """Sums the scaled loss of all chunks, and its gradients, in one sequential loop.

    Args:
        loss: a `TokenLoss`.
        student: (rows, kernel, bias).
        target: a `Target`.
        safe: whether exponentials of the logits are safe as they are.
        scales: float32 (tokens,), factor of each token's loss.
        chunk: the most tokens in a chunk.

    Returns:
        (loss, gradients to the student's rows, kernel and bias).
    """
    rows, kernel, bias = student
    tokens, width = rows.shape
    steps = -(-tokens // chunk)
    # Chunks of one size, with as little padding as possible; padding has the scale 0.
    chunk = -(-tokens // steps)
    tensors = [_pad_rows(each, steps * chunk) for each in (rows, scales[:, None], *target.tensors)]
    sums = sums_by_product if kernel.dtype == tf.bfloat16 else sums_by_reduction

    def body(step, total, row_gradient, kernel_gradient, bias_gradient):
        part, scale, *target_parts = (
            tf.slice(each, [step * chunk, 0], [chunk, each.shape[1]]) for each in tensors
        )
        compared = logits_of(part, kernel, bias), target.of_chunk(target_parts)
        value, gradient, factor = loss.compute(*compared, safe, sums)
        total += tf.reduce_sum(value * scale[:, 0])
        # The scales multiply the narrow side of every product.
        scale *= tf.reshape(factor, (-1, 1))  # (chunk, 1)
        to_rows, to_kernel, to_bias = _gradients(part, kernel, gradient, scale)
        kernel_gradient, bias_gradient = kernel_gradient + to_kernel, bias_gradient + to_bias
        return step + 1, total, row_gradient.write(step, to_rows), kernel_gradient, bias_gradient

    row_gradient = tf.TensorArray(tf.float32, size=steps, element_shape=(chunk, width))
    _, total, row_gradient, kernel_gradient, bias_gradient = tf.while_loop(
        lambda step, *_: step < steps,
        body,
        (0, 0.0, row_gradient, tf.zeros(kernel.shape), tf.zeros(bias.shape)),
        parallel_iterations=1,  # two chunks at once would hold two chunks' logits
        maximum_iterations=steps,
    )
    row_gradient = tf.reshape(row_gradient.stack(), (steps * chunk, width))[:tokens]
    return total, row_gradient, kernel_gradient, bias_gradient


def _gradients(rows, kernel, gradient, scale):
    """Gradients to the rows, kernel and bias, from `gradient` (vocab, chunk) to the logits."""
    narrow = tf.cast(gradient, kernel.dtype)
    to_rows = tf.transpose(product(kernel, narrow, transpose_a=True)) * scale  # (chunk, width)
    scaled = rows * tf.cast(scale, rows.dtype)
    return to_rows, product(narrow, scaled), tf.matmul(gradient, scale)[:, 0]


def _pad_rows(matrix, rows):
    missing = rows - matrix.shape[0]
    return tf.pad(matrix, [[0, missing], [0, 0]]) if missing else matrix
