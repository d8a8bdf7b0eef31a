"""Losses over all the vocabulary, computed a chunk of tokens at a time.

For 4,096 tokens and 30,522 words one tensor of logits takes half a gigabyte, and automatic
differentiation keeps several. Here the projection, the softmax and the gradient of one chunk are
done together, before the next chunk is begun: memory is that of a chunk. The result is exact.
"""

import tensorflow as tf

CHUNK = 512  # tokens: 63 MB of float32 logits at 30,522 words; smaller ones multiply slower


def kl_rows(temperature):
    """T^2 KL(teacher || student) of one chunk: see `losses.kl_divergence`.

    Args:
        temperature: T.

    Returns:
        A function (student_logits, teacher_logits), float32 (tokens, vocab) each, to
        (loss per token, its gradient T (softmax(z_s / T) - softmax(z_t / T))).
    """

    def rows(student_logits, teacher_logits):
        student_logits, student, student_sum = _exponentials(student_logits / temperature)
        teacher_logits, teacher, teacher_sum = _exponentials(teacher_logits / temperature)
        # KL = sum p_t (z_t - z_s) - log Z_t + log Z_s: no logarithm of every probability.
        cross = tf.reduce_sum(teacher * (teacher_logits - student_logits), axis=-1, keepdims=True)
        loss = cross / teacher_sum + tf.math.log(student_sum / teacher_sum)
        gradient = student / student_sum - teacher / teacher_sum
        return loss[:, 0] * temperature**2, temperature * gradient

    return rows


def _exponentials(logits):
    """The logits less their largest, the exponentials of these, and their sum."""
    logits -= tf.reduce_max(logits, axis=-1, keepdims=True)
    exponentials = tf.exp(logits)
    return logits, exponentials, tf.reduce_sum(exponentials, axis=-1, keepdims=True)


def squared_distance_rows(student_logits, teacher_logits):
    """Squared distance of the logits of one chunk: see `losses.logits_mse`.

    Args:
        student_logits: float32 (tokens, vocab).
        teacher_logits: float32 (tokens, vocab).

    Returns:
        (loss per token, its gradient 2 (z_s - z_t)).
    """
    difference = student_logits - teacher_logits
    return tf.reduce_sum(difference**2, axis=-1), 2.0 * difference


def vocabulary_loss(*, row_loss, student, teacher, weights, normalizer=None, chunk=CHUNK):
    """Mean over tokens of a loss between two models' logits, without holding the logits.

    Args:
        row_loss: function of two chunks of logits to (loss per token, gradient to the first).
        student: (rows, kernel, bias): float32 (tokens, hidden), (vocab, hidden), (vocab,); the
            logits are rows · kernelᵀ + bias. Gradients flow to all three.
        teacher: the same of the teacher, whose width may differ. No gradient.
        weights: float (tokens,), 1 for a token that counts.
        normalizer: float scalar that replaces the sum of `weights`.
        chunk: tokens worked on at a time.

    Returns:
        A float32 scalar.
    """
    weights = tf.cast(weights, tf.float32)
    if normalizer is None:
        normalizer = tf.reduce_sum(weights)
    scales = tf.math.divide_no_nan(weights, normalizer)
    teacher = tuple(tf.stop_gradient(part) for part in teacher)

    @tf.custom_gradient
    def summed(rows, kernel, bias):
        loss, gradients = _walk(row_loss, (rows, kernel, bias), teacher, scales, chunk)
        return loss, lambda upstream: tuple(upstream * gradient for gradient in gradients)

    return summed(*(tf.convert_to_tensor(part) for part in student))


def _walk(row_loss, student, teacher, scales, chunk):
    """Sums the scaled loss of all chunks, and its gradients, in one sequential loop."""
    rows, kernel, bias = student
    teacher_rows, teacher_kernel, teacher_bias = teacher
    tokens = rows.shape[0]
    chunk = min(chunk, tokens)
    # A last, shorter chunk would be a second shape; the rows that fill it up weigh nothing.
    steps = -(-tokens // chunk)
    rows, teacher_rows = (_pad_rows(part, steps * chunk) for part in (rows, teacher_rows))
    scales = _pad_rows(scales, steps * chunk)

    def body(step, loss, row_gradient, kernel_gradient, bias_gradient):
        begin = step * chunk
        part = tf.slice(rows, [begin, 0], [chunk, rows.shape[1]])  # (chunk, hidden)
        teacher_part = tf.slice(teacher_rows, [begin, 0], [chunk, teacher_rows.shape[1]])
        scale = tf.slice(scales, [begin], [chunk])  # (chunk,)
        logits = tf.matmul(part, kernel, transpose_b=True) + bias  # (chunk, vocab)
        teacher_logits = tf.matmul(teacher_part, teacher_kernel, transpose_b=True) + teacher_bias
        value, gradient = row_loss(logits, teacher_logits)  # (chunk,), (chunk, vocab)
        # The scale goes to the narrow side of every product.
        part_gradient = tf.matmul(gradient, kernel) * scale[:, None]  # (chunk, hidden)
        scaled = part * scale[:, None]
        return (
            step + 1,
            loss + tf.reduce_sum(value * scale),
            row_gradient.write(step, part_gradient),
            kernel_gradient + tf.matmul(gradient, scaled, transpose_a=True),
            bias_gradient + tf.linalg.matvec(gradient, scale, transpose_a=True),
        )

    row_gradient = tf.TensorArray(tf.float32, size=steps, element_shape=(chunk, rows.shape[1]))
    _, loss, row_gradient, kernel_gradient, bias_gradient = tf.while_loop(
        lambda step, *_: step < steps,
        body,
        (0, 0.0, row_gradient, tf.zeros_like(kernel), tf.zeros_like(bias)),
        parallel_iterations=1,  # two chunks at once would hold two chunks' logits
        maximum_iterations=steps,
    )
    row_gradient = tf.reshape(row_gradient.stack(), (steps * chunk, rows.shape[1]))[:tokens]
    return loss, (row_gradient, kernel_gradient, bias_gradient)


def _pad_rows(tensor, rows):
    missing = rows - tensor.shape[0]
    paddings = [[0, missing]] + [[0, 0]] * (tensor.shape.rank - 1)
    return tf.pad(tensor, paddings) if missing else tensor
