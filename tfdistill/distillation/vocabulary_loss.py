"""Losses over all the vocabulary, computed a chunk of tokens at a time.

For 4,096 tokens and 30,522 words one tensor of logits takes half a gigabyte, and automatic
differentiation keeps several. Here the projection, the softmax and the gradient of one chunk are
done together, before the next chunk is begun: memory is that of a chunk. The result is exact.
"""

import tensorflow as tf

CHUNK = 512  # tokens: 63 MB of float32 logits at 30,522 words; smaller ones multiply slower
# Below this exp(logit), its sum over a vocabulary and the ratio of two such sums stay well inside
# float32, and the pass over all logits that finds the largest of each row can be left out.
SAFE_EXPONENT = 40.0


def kl_rows(student_logits, teacher_logits, bound):
    """KL(teacher || student) of one chunk: see `losses.kl_divergence`.

    Args:
        student_logits: float32 (tokens, vocab), already divided by the temperature.
        teacher_logits: the same of the teacher.
        bound: float32 scalar that no logit exceeds in size.

    Returns:
        (loss per token, its gradient softmax(z_s) - softmax(z_t)).
    """
    student_logits, student, student_sum = _exponentials(student_logits, bound)
    teacher_logits, teacher, teacher_sum = _exponentials(teacher_logits, bound)
    # KL = sum p_t (z_t - z_s) - log Z_t + log Z_s: no logarithm of every probability.
    cross = _row_sums(teacher * (teacher_logits - student_logits))
    loss = cross / teacher_sum + tf.math.log(student_sum / teacher_sum)
    return loss[:, 0], student / student_sum - teacher / teacher_sum


def _exponentials(logits, bound):
    """The logits, less their largest where that is needed, their exponentials and their sum."""
    largest = tf.cond(
        bound < SAFE_EXPONENT,
        lambda: tf.zeros((logits.shape[0], 1)),
        lambda: tf.reduce_max(logits, axis=-1, keepdims=True),
    )
    logits -= largest
    exponentials = tf.exp(logits)
    return logits, exponentials, _row_sums(exponentials)


def _row_sums(values):
    """Sums over the vocabulary, by a product with ones: XLA's own sums along a CPU row are slow."""
    return tf.matmul(values, tf.ones((values.shape[1], 1)))


def squared_distance_rows(student_logits, teacher_logits, bound):
    """Squared distance of the logits of one chunk: see `losses.logits_mse`.

    Args:
        student_logits: float32 (tokens, vocab).
        teacher_logits: float32 (tokens, vocab).
        bound: not needed here.

    Returns:
        (loss per token, its gradient 2 (z_s - z_t)).
    """
    del bound
    difference = student_logits - teacher_logits
    return tf.reduce_sum(difference**2, axis=-1), 2.0 * difference


def vocabulary_loss(
    *, row_loss, student, teacher, weights, normalizer=None, temperature=1.0, chunk=CHUNK
):
    """Mean over tokens of a loss between two models' logits, without holding the logits.

    Args:
        row_loss: function of two chunks of logits, (tokens, vocab) each, and a bound of their size
            to (loss per token, gradient to the first).
        student: (rows, kernel, bias): float (tokens, hidden), float32 (vocab, hidden), (vocab,);
            the logits are rows · kernelᵀ + bias. Gradients flow to all three. Products are bfloat16
            where the student's rows are, else float32 (float16's sums would overflow).
        teacher: the same of the teacher, whose width may differ. No gradient.
        weights: float (tokens,), 1 for a token that counts.
        normalizer: float scalar that replaces the sum of `weights`.
        temperature: divides all logits.
        chunk: the most tokens that are worked on at a time.

    Returns:
        A float32 scalar.
    """
    weights = tf.cast(weights, tf.float32)
    if normalizer is None:
        normalizer = tf.reduce_sum(weights)
    scales = tf.math.divide_no_nan(weights, normalizer)
    product_type = tf.bfloat16 if student[0].dtype == tf.bfloat16 else tf.float32
    student, teacher = (
        tuple(tf.cast(part, tf.float32) for part in model) for model in (student, teacher)
    )
    bound = tf.maximum(largest_logit(*student), largest_logit(*teacher)) / temperature
    student = _with_bias(*student, temperature)
    teacher = tuple(tf.stop_gradient(part) for part in _with_bias(*teacher, temperature))

    @tf.custom_gradient
    def summed(*student):
        models = (tuple(tf.cast(p, product_type) for p in model) for model in (student, teacher))
        loss, gradients = _walk(row_loss, *models, bound, scales, chunk)
        return loss, lambda upstream: tuple(upstream * gradient for gradient in gradients)

    return summed(*student)


def _with_bias(rows, kernel, bias, temperature):
    """(rows / T, 1 / T) and (kernel, bias), whose product is (rows · kernelᵀ + bias) / T.

    Temperature and bias cost nothing there, where each would be a pass over all logits.
    """
    one = tf.ones((rows.shape[0], 1))
    return tf.concat([rows, one], axis=1) / temperature, tf.concat([kernel, bias[:, None]], axis=1)


def largest_logit(rows, kernel, bias):
    """A bound that no entry of rows · kernelᵀ + bias exceeds in size (Cauchy and Schwarz).

    The bias is added, not part of the product: log-frequencies of rare words are long.
    """
    products = tf.reduce_max(tf.norm(rows, axis=1)) * tf.reduce_max(tf.norm(kernel, axis=1))
    return products + tf.reduce_max(tf.abs(bias))


def _walk(row_loss, student, teacher, bound, scales, chunk):
    """Sums the scaled loss of all chunks, and its gradients, in one sequential loop."""
    rows, kernel = student
    teacher_rows, teacher_kernel = teacher
    tokens, width = rows.shape
    steps = -(-tokens // chunk)
    # All of one shape, which fills up the last with as few rows that weigh nothing as can be.
    chunk = -(-tokens // steps)
    rows, teacher_rows = (_pad_rows(part, steps * chunk) for part in (rows, teacher_rows))
    scales = _pad_rows(scales[:, None], steps * chunk)

    def body(step, loss, row_gradient, kernel_gradient):
        part, teacher_part, scale = (
            tf.slice(whole, [step * chunk, 0], [chunk, whole.shape[1]])
            for whole in (rows, teacher_rows, scales)
        )
        logits = _product(part, kernel, transpose_b=True)  # (chunk, vocab)
        teacher_logits = _product(teacher_part, teacher_kernel, transpose_b=True)
        value, gradient = row_loss(logits, teacher_logits, bound)  # (chunk,), (chunk, vocab)
        gradient = tf.cast(gradient, kernel.dtype)
        # The scale goes to the narrow side of every product.
        part_gradient = _product(gradient, kernel) * scale  # (chunk, width)
        scaled = part * tf.cast(scale, part.dtype)
        return (
            step + 1,
            loss + tf.reduce_sum(value * scale[:, 0]),
            row_gradient.write(step, part_gradient),
            kernel_gradient + _product(gradient, scaled, transpose_a=True),
        )

    row_gradient = tf.TensorArray(tf.float32, size=steps, element_shape=(chunk, width))
    _, loss, row_gradient, kernel_gradient = tf.while_loop(
        lambda step, *_: step < steps,
        body,
        (0, 0.0, row_gradient, tf.zeros(kernel.shape)),
        parallel_iterations=1,  # two chunks at once would hold two chunks' logits
        maximum_iterations=steps,
    )
    row_gradient = tf.reshape(row_gradient.stack(), (steps * chunk, width))[:tokens]
    return loss, (row_gradient, kernel_gradient)


def _product(a, b, **transposed):
    """Matrix product, as float32: what follows it must not round further."""
    return tf.cast(tf.matmul(a, b, **transposed), tf.float32)


def _pad_rows(matrix, rows):
    missing = rows - matrix.shape[0]
    return tf.pad(matrix, [[0, missing], [0, 0]]) if missing else matrix
