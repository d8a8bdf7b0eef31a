"""Losses over all the vocabulary, computed a chunk of tokens at a time.

For 4,096 tokens and 30,522 words one tensor of logits takes half a gigabyte, and automatic
differentiation keeps several. Here the projection, the softmax and the gradient of one chunk are
done together, before the next chunk is begun: memory is that of a chunk. The result is exact.

Logits lie with the words first, (vocab, tokens): sums over the vocabulary then run along columns,
which compilers vectorise, and the largest product of the gradient needs nothing transposed.
"""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from tfdistill.distillation.losses.means import mean_over

CHUNK = 320  # tokens: 39 MB of float32 logits at 30,522 words; smaller ones multiply slower
LARGEST_CHUNK = CHUNK * 30_522  # logits: a larger vocabulary takes fewer tokens at a time
SMALLEST_CHUNK = 64
# Below this exp(logit), its sum over a vocabulary and the ratio of two such sums stay well inside
# float32, and the pass over all logits that finds the largest of each token can be left out.
SAFE_EXPONENT = 40.0


@dataclasses.dataclass(frozen=True)
class TokenLoss:
    """A loss of one token's logits.

    Args:
        compute: (student's logits, what the teacher says or None, whether exponentials of logits
            are safe as they are, a function that sums over the vocabulary) to (loss per token
            (tokens,), two factors of its gradient to the student's logits: (vocab, tokens) and
            (1, tokens) or a float). Logits are float32 (vocab, tokens) and divided by the
            temperature; the teacher says its own logits, or a tuple of a chunk of `targets`.
        exponentials: whether it takes any.
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
    """(The logits less `largest`, their exponentials, the sum of these, `largest` or 0)."""
    largest = tf.zeros(())
    if not safe:
        largest = tf.reduce_max(logits, axis=0, keepdims=True)
        logits -= largest
    exponentials = tf.exp(logits)
    return logits, exponentials, sums(exponentials), largest


def _sums(values):
    return tf.reduce_sum(values, axis=0, keepdims=True)  # (1, tokens)


def _sums_by_product(values):
    # Faster without XLA, which is how CPUs compute bfloat16 (docs/PERFORMANCE.md); under XLA, which
    # is for float32, no different.
    return tf.matmul(tf.ones((1, values.shape[0])), values)  # (1, tokens)


# KL(teacher || student): see `losses.kl_divergence`. Gradient softmax(z_s) - softmax(z_t).
KL = TokenLoss(_kl)
# -sum p_t log p_s: see `losses.soft_cross_entropy`. The KL's gradient.
SOFT_CROSS_ENTROPY = TokenLoss(_soft_cross_entropy)
# The logarithm of the sum of all exponentials: a cross-entropy less the label's own logit.
LOG_PARTITION = TokenLoss(_log_partition)
# The logits' squared distance: see `losses.logits_mse`. Gradient 2 (z_s - z_t).
SQUARED_DISTANCE = TokenLoss(_squared_distance, exponentials=False)


def chunk_for(vocabulary):
    """Tokens that are worked on at a time, so that 150,000 words take the memory of 30,522."""
    return min(CHUNK, max(SMALLEST_CHUNK, LARGEST_CHUNK // vocabulary))


def vocabulary_loss(
    *,
    loss,
    student,
    weights,
    teachers=(),
    shares=(),
    targets=(),
    normalizer=None,
    temperature=1.0,
    chunk=None,
):
    """Mean over tokens of a loss of models' logits, without holding the logits.

    Args:
        loss: a `TokenLoss`.
        student: (rows, kernel, bias): float (tokens, hidden), float32 (vocab, hidden), (vocab,);
            the logits are rows · kernelᵀ + bias. Gradients flow to all three. Products are bfloat16
            where the student's rows are, else float32 (float16's sums would overflow).
        weights: float (tokens,), 1 for a token that counts.
        teachers: the same of the teacher, whose width may differ, where the loss needs one; of
            several the mean of their softened probabilities is taken. No gradient.
        shares: of several teachers, float each, which add up to 1.
        targets: tensors (tokens, any) that a loss takes instead of teachers.
        normalizer: float scalar that replaces the sum of `weights`.
        temperature: divides all logits.
        chunk: the most tokens that are worked on at a time; None: `chunk_for` the vocabulary.

    Returns:
        A float32 scalar.
    """
    weights, chunk = tf.cast(weights, tf.float32), chunk or chunk_for(student[1].shape[0])
    if normalizer is None:
        normalizer = tf.reduce_sum(weights)
    scales = tf.math.divide_no_nan(weights, normalizer)
    product_type = product_type_of(student[0])
    student = softened(student, temperature)
    teachers = [tuple(map(tf.stop_gradient, softened(each, temperature))) for each in teachers]

    @tf.custom_gradient
    def summed(*student):
        models = [
            (tf.cast(rows, product_type), tf.cast(kernel, product_type), bias)
            for rows, kernel, bias in (student, *teachers)
        ]

        def walk(safe):
            return lambda: _walk(loss, models, shares, targets, safe, scales, chunk)

        if loss.exponentials:
            bound = tf.reduce_max([largest_logit(*model) for model in (student, *teachers)])
            # Around the loop: inside, the branches would keep its operators from being fused.
            value, *gradients = tf.cond(bound < SAFE_EXPONENT, walk(True), walk(False))
        else:
            value, *gradients = walk(True)()
        return value, lambda upstream: tuple(upstream * gradient for gradient in gradients)

    return summed(*student)


def cross_entropy(*, student, labels, weights, normalizer=None, chunk=None):
    """Mean cross-entropy of the labels: `losses.masked_cross_entropy` without holding the logits.

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
    if rows.dtype == tf.bfloat16:  # as the product takes them
        words = tf.cast(words, tf.bfloat16)
    products = tf.cast(rows, tf.float32) * tf.cast(words, tf.float32)
    own = tf.reduce_sum(products, axis=1)
    if rows.dtype == tf.bfloat16:  # and as it gives them
        own = _rounded(own)
    own += tf.gather(bias, labels)
    return log_partition - mean_over(own, **options)


@tf.custom_gradient
def _rounded(values):
    return tf.cast(tf.cast(values, tf.bfloat16), tf.float32), lambda upstream: upstream


def product_type_of(rows):
    """The type that a projection to the vocabulary is multiplied in (float16 would overflow)."""
    return tf.bfloat16 if rows.dtype == tf.bfloat16 else tf.float32


def softened(model, temperature):
    """The model whose logits are divided by the temperature, as float32."""
    rows, kernel, bias = (tf.cast(part, tf.float32) for part in model)
    return rows / temperature, kernel, bias / temperature


def largest_logit(rows, kernel, bias):
    """A bound that no entry of rows · kernelᵀ + bias exceeds in size (Cauchy and Schwarz).

    The bias is added, not part of the product: log-frequencies of rare words are long.
    """
    products = tf.reduce_max(tf.norm(rows, axis=1)) * tf.reduce_max(tf.norm(kernel, axis=1))
    return products + tf.reduce_max(tf.abs(bias))


def log_mixture(logits, shares, axis=0):
    """Logarithm of the mean of several models' probabilities.

    Args:
        logits: list of float32 tensors, (vocab, tokens) for example, one of each model.
        shares: float each, which add up to 1.
        axis: that of the vocabulary.

    Returns:
        float32, the shape of one of `logits`.
    """
    # In logarithms throughout: a probability that is 0 in float32 still has one.
    parts = []
    for each, share in zip(logits, shares, strict=True):
        each -= tf.reduce_max(each, axis=axis, keepdims=True)
        total = tf.reduce_sum(tf.exp(each), axis=axis, keepdims=True)
        parts.append(each - tf.math.log(total / share))
    largest = functools.reduce(tf.maximum, parts)
    return largest + tf.math.log(tf.add_n([tf.exp(part - largest) for part in parts]))


def _walk(loss, models, shares, targets, safe, scales, chunk):
    """Sums the scaled loss of all chunks, and its gradients, in one sequential loop.

    Args:
        loss: a `TokenLoss`.
        models: (rows, kernel, bias) of the student, and of the teachers where there are any.
        shares: of several teachers.
        targets: tensors (tokens, any).
        safe: whether exponentials of the logits are.
        scales: float32 (tokens,), the factor of each token's loss.
        chunk: tokens.

    Returns:
        (loss, gradients to the student's rows, kernel and bias).
    """
    rows, kernel, bias = models[0]
    tokens, width = rows.shape
    steps = -(-tokens // chunk)
    # All of one shape, which fills up the last with as few rows that weigh nothing as can be.
    chunk = -(-tokens // steps)
    models = [(_pad_rows(rows, steps * chunk), *rest) for rows, *rest in models]
    targets = [_pad_rows(each, steps * chunk) for each in targets]
    scales = _pad_rows(scales[:, None], steps * chunk)

    sums = _sums_by_product if kernel.dtype == tf.bfloat16 else _sums

    def logits(part, kernel, bias):
        return product(kernel, part, transpose_b=True) + bias[:, None]  # (vocab, chunk)

    def body(step, total, row_gradient, kernel_gradient, bias_gradient):
        def part(whole):
            return tf.slice(whole, [step * chunk, 0], [chunk, whole.shape[1]])

        parts, scale = [part(rows) for rows, *_ in models], part(scales)
        projections = zip(parts, models, strict=True)
        ours, *theirs = (logits(each, *rest) for each, (_, *rest) in projections)
        if targets:
            said = tuple(part(each) for each in targets)
        elif len(theirs) > 1:
            said = log_mixture(theirs, shares)
        else:
            said = theirs[0] if theirs else None
        value, gradient, factor = loss.compute(ours, said, safe, sums)
        total += tf.reduce_sum(value * scale[:, 0])
        narrow = tf.cast(gradient, kernel.dtype)  # (vocab, chunk)
        # What scales a token goes to the narrow side of every product.
        scale *= tf.reshape(factor, (-1, 1))  # (chunk, 1)
        to_rows = tf.transpose(product(kernel, narrow, transpose_a=True)) * scale  # (chunk, width)
        scaled = parts[0] * tf.cast(scale, parts[0].dtype)
        return (
            step + 1,
            total,
            row_gradient.write(step, to_rows),
            kernel_gradient + product(narrow, scaled),
            bias_gradient + tf.matmul(gradient, scale)[:, 0],
        )

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


def product(a, b, **transposed):
    """Matrix product, as float32: what follows it must not round further."""
    return tf.cast(tf.matmul(a, b, **transposed), tf.float32)


def _pad_rows(matrix, rows):
    missing = rows - matrix.shape[0]
    return tf.pad(matrix, [[0, missing], [0, 0]]) if missing else matrix
