"""A narrow model in the principal components of a wide one's hidden states.

The stream of hidden states x, which the residual connections keep in one basis, becomes
(x - c) P: c is the mean of x at that place, and P a basis of the k - 1 leading principal components
in the k dimensions of the narrow stream, turned so that the coordinates of x sum to zero. A norm,
which takes the mean over the dimensions away, then takes away nothing. (SliceGPT, Ashkboos et al.,
2024, section 3, does this without means, for norms whose scale can be folded into what reads
them; here each norm is followed by a residual, so its scale and shift are fitted instead.)

Everything is fitted from the bottom up, on what the narrow model itself computes so far.
"""

import math

import numpy as np

from tfdistill.distillation.width_heads import score_maps, value_maps
from tfdistill.distillation.width_regression import Regression, fit_norm
from tfdistill.distillation.width_selection import copy_embeddings, copy_head, largest
from tfdistill.distillation.width_vocabulary import fit_head

# Of ridge regressions towards the projected kernel: for what reads the stream, and what writes it.
READ_SHRINKAGE = 1e-4
WRITE_SHRINKAGE = 1e-2

# Of a norm's mean scale: smaller ones are not divided by.
SMALLEST_SCALE = 0.2


def narrow_by_components(wide, narrow, text):
    """Fills a narrow model.

    Args:
        wide, narrow: `MaskedLanguageModel` in float32, of equal depth.
        text: `Text`.
    """
    same = narrow.config.hidden_size == wide.config.hidden_size
    centres, covariance = stream_moments(wide.encoder, text)
    if same:  # Nothing to project: the fit below then starts from exact copies.
        centres, basis = np.zeros_like(centres), np.eye(len(covariance), dtype=np.float32)
    else:
        basis = residual_basis(covariance, narrow.config.hidden_size)
    every = np.arange(len(basis))
    fit = _Fit(text, basis)
    hidden = text.embed(wide.encoder.embeddings)
    if same:
        copy_embeddings(wide.encoder.embeddings, narrow.encoder.embeddings, every)
    else:
        fit.embeddings(wide.encoder.embeddings, narrow.encoder.embeddings, hidden, centres[0])
    ours = text.embed(narrow.encoder.embeddings)
    blocks = zip(wide.encoder.blocks, narrow.encoder.blocks, strict=True)
    for index, (theirs, block) in enumerate(blocks):
        places = centres[2 * index + 1 : 2 * index + 3]
        hidden, ours = fit.attention(theirs, block, hidden, ours, places[0])
        hidden, ours = fit.feed_forward(theirs, block, hidden, ours, places[1])
    if wide.head is not None:
        if same:
            copy_head(wide.head, narrow.head, every)
        else:
            fit_head(wide, narrow, text, hidden, ours)


def stream_moments(encoder, text):
    """Means and covariance of the stream on calibration text.

    Args:
        encoder: `Encoder`.
        text: `Text`.

    Returns:
        (float32 (2 layers + 1, hidden), the means after every norm; float64 (hidden, hidden), the
        sum of the covariances there).
    """
    means, covariance = [], 0.0

    def take(stream):
        nonlocal covariance
        found = moments(text.rows(stream))
        means.append(found.mean)
        covariance = covariance + found.covariance
        return stream

    hidden = take(text.embed(encoder.embeddings))
    for block in encoder.blocks:
        attended = take(text.attend(block, hidden))
        hidden = take(text.feed_forward(block, attended))
    return np.float32(means), covariance


def residual_basis(covariance, size):
    """Principal components, turned within their span towards some of the wide dimensions.

    A norm scales every dimension by itself, which in the narrow stream is the same kind of scale
    only where a narrow dimension is close to a wide one. Of all turns R with R 1 = 0, this one
    brings P = Q R closest to the k wide dimensions that lie most within the span, less their mean:
    with U S V the singular value decomposition of Q^T times them, R = U V (orthogonal Procrustes,
    Schoenemann, 1966).

    Args:
        covariance: float64 (wide, wide).
        size: int, k < wide.

    Returns:
        float32 (wide, k): P of rank k - 1, with P 1 = 0 and P^T x the new coordinates of x.
    """
    _, vectors = np.linalg.eigh(covariance)  # the largest last
    components = vectors[:, ::-1][:, : size - 1]  # (wide, k - 1), Q
    inside = np.sum(components**2, axis=1)
    dimensions = np.eye(len(covariance))[:, largest(inside, size)]
    dimensions -= dimensions.mean(axis=1, keepdims=True)
    left, _, right = np.linalg.svd(components.T @ dimensions, full_matrices=False)
    return (components @ left @ right).astype(np.float32)


class _Fit:
    """The parts of a narrow model, fitted one after the other.

    Streams are lists of (batch, length, size), the wide model's first.

    Args:
        text: `Text`.
        basis: float32 (wide, narrow).
    """

    def __init__(self, text, basis):
        self.text = text
        self.basis = basis

    def embeddings(self, theirs, ours, hidden, centre):
        """Projects the tables with the scale of their norm folded in, and fits the norm."""
        # Rows are centred, scaled, projected: a linear map, so the sum of tables may be too.
        fold = np.asarray(theirs.layer_norm.gamma)[:, None] * self.basis
        fold = fold - fold.mean(axis=0)
        for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
            table = getattr(theirs, name)
            if table is not None:
                getattr(ours, name).assign(np.asarray(table) @ fold)
        # Scale 1 and shift 0 as made: the norm of a normalised row is that row again.
        normal = self.text.rows(self.text.embed(ours))
        fit_norm(ours.layer_norm, normal, self._projected(hidden, centre))

    def attention(self, theirs, ours, hidden, narrow_hidden, centre):
        """Fits the first half of a layer; returns what both make of it.

        Args:
            theirs, ours: `TransformerLayer`, the wide one and the narrow one.
            hidden, narrow_hidden: the streams that enter.
            centre: float32 (wide,), the mean after the wide one's norm.

        Returns:
            (wide stream, narrow stream).
        """
        text, config, size = self.text, ours.config, theirs.config.head_size
        contexts = text.contexts(theirs.attention, hidden)
        context = moments(text.rows(contexts)).covariance
        output = np.asarray(theirs.attention.output_dense.kernel) @ self.basis
        heads = largest(_head_energies(context, output, size), config.num_attention_heads)
        columns = (heads[:, None] * size + np.arange(size)).ravel()
        context, output = context[np.ix_(columns, columns)], output[columns]
        read = {
            name: self._read(getattr(theirs.attention, name), columns, hidden, narrow_hidden)
            for name in ("query", "key", "value")
        }
        if config.head_size < size:
            output = self._compress(read, output, narrow_hidden, context, config)
        for name, (kernel, bias) in read.items():
            dense = getattr(ours.attention, name)
            # As of `copy_units`: scores are divided by the root of the head size.
            scale = math.sqrt(config.head_size / size) if name == "query" else 1.0
            dense.kernel.assign(kernel * scale)
            dense.bias.assign(bias * scale)
        features = text.contexts(ours.attention, narrow_hidden)
        dense, norm = ours.attention.output_dense, ours.attention_norm
        sums = text.attention_sums(theirs, hidden)
        after = [theirs.attention_norm(part) for part in sums]
        self._write(dense, norm, output, features, narrow_hidden, sums, after, centre)
        return after, text.attend(ours, narrow_hidden)

    def feed_forward(self, theirs, ours, hidden, narrow_hidden, centre):
        """Fits the second half of a layer, its neurons; as `attention`."""
        text = self.text
        output = np.asarray(theirs.output_dense.kernel) @ self.basis
        neurons = largest(
            self._neuron_variances(theirs, hidden) * np.sum(output**2, axis=1),
            ours.config.intermediate_size,
        )
        kernel, bias = self._read(theirs.intermediate, neurons, hidden, narrow_hidden)
        ours.intermediate.kernel.assign(kernel)
        ours.intermediate.bias.assign(bias)
        features = [ours.activation(ours.intermediate(part)) for part in narrow_hidden]
        output = output[neurons]
        sums = text.feed_forward_sums(theirs, hidden)
        after = [theirs.output_norm(part) for part in sums]
        self._write(
            ours.output_dense,
            ours.output_norm,
            output,
            features,
            narrow_hidden,
            sums,
            after,
            centre,
        )
        return after, text.feed_forward(ours, narrow_hidden)

    def _neuron_variances(self, block, hidden):
        """How much each neuron of a wide layer varies: float64 (intermediate,)."""
        total = square = count = 0
        for part in self.text.rows(block.activation(block.intermediate(part)) for part in hidden):
            total = total + part.sum(axis=0, dtype=np.float64)
            square = square + np.square(part).sum(axis=0, dtype=np.float64)
            count += len(part)
        return square / count - (total / count) ** 2

    def _projected(self, stream, centre):
        """Rows of a wide stream in the narrow basis."""
        return ((rows - centre) @ self.basis for rows in self.text.rows(stream))

    def _read(self, dense, columns, hidden, narrow_hidden):
        """Some outputs of a wide kernel, by regression on the narrow stream: kernel and bias."""
        kernel, bias = np.asarray(dense.kernel)[:, columns], np.asarray(dense.bias)[columns]
        regression = Regression()
        parts = zip(self.text.rows(narrow_hidden), self.text.rows(hidden), strict=True)
        for ours, theirs in parts:
            regression.add(ours, theirs @ kernel + bias)
        return regression.solve(self.basis.T @ kernel, READ_SHRINKAGE)

    def _compress(self, read, output, narrow_hidden, context, config):
        """Makes the heads smaller, each for itself.

        Args:
            read: dict of (kernel, bias) of query, key and value, which are replaced.
            output: (heads * wide head size, narrow), the projected output kernel.
            narrow_hidden: the narrow stream.
            context: float64 (heads * wide head size) squared, the contexts' covariance.
            config: EncoderConfig of the narrow model.

        Returns:
            float64 (heads * narrow head size, narrow), the output kernel behind smaller heads.
        """
        stream = moments(self.text.rows(narrow_hidden))
        parts, outputs = {name: [] for name in read}, []
        for columns in np.split(np.arange(len(output)), config.num_attention_heads):
            query, key = (read[name][0][:, columns] for name in ("query", "key"))
            mean = stream.mean @ query + read["query"][1][columns]
            second = query.T @ stream.covariance @ query + np.outer(mean, mean)
            maps = dict.fromkeys(read)
            maps["query"], maps["key"] = score_maps(
                second, key.T @ stream.covariance @ key, config.head_size
            )
            maps["value"], behind = value_maps(
                context[np.ix_(columns, columns)], output[columns], config.head_size
            )
            outputs.append(behind)
            for name, (kernel, bias) in read.items():
                smaller = kernel[:, columns] @ maps[name], bias[columns] @ maps[name]
                parts[name].append(smaller)
        for name, pairs in parts.items():
            read[name] = tuple(
                np.concatenate(arrays, axis=-1) for arrays in zip(*pairs, strict=True)
            )
        return np.concatenate(outputs)

    def _write(self, dense, norm, output, features, narrow_hidden, sums, after, centre):
        """Fits a kernel that writes to the stream, and the norm behind it.

        Args:
            dense, norm: the narrow model's.
            output: (in, narrow), the projected kernel.
            features: list of (batch, length, in), what `dense` gets.
            narrow_hidden: the narrow stream that its output is added to.
            sums, after: the wide stream before and after its own norm.
            centre: float32 (wide,), the mean of `after`.
        """
        text = self.text
        projected = [rows @ self.basis for rows in text.rows(sums)]
        targets = list(self._projected(after, centre))
        fit_norm(norm, projected, targets)
        # What the norm should get for its targets to come out, as large as the wide model's.
        scale, shift = np.asarray(norm.gamma), np.asarray(norm.beta)
        scale = np.maximum(np.abs(scale), SMALLEST_SCALE * np.abs(scale).mean()) * np.sign(scale)
        regression, residuals = Regression(), list(text.rows(narrow_hidden))
        inputs = list(text.rows(features))
        for part, residual, target, rows in zip(inputs, residuals, targets, projected, strict=True):
            wanted = _normal((target - shift) / scale) * rows.std(axis=1, keepdims=True)
            regression.add(part, wanted - residual)
        kernel, bias = map(np.float32, regression.solve(output, WRITE_SHRINKAGE))
        dense.kernel.assign(kernel)
        dense.bias.assign(bias)
        ours = (part @ kernel + bias + rest for part, rest in zip(inputs, residuals, strict=True))
        fit_norm(norm, ours, targets)


def _head_energies(context, output, size):
    """Variance of what each head writes to the stream: list of floats, the trace of O^T C O."""
    return np.array(
        [
            np.sum(
                context[at : at + size, at : at + size]
                @ output[at : at + size]
                * output[at : at + size]
            )
            for at in range(0, len(output), size)
        ]
    )


def moments(parts):
    """A `Regression` without targets, for the mean and covariance of its inputs.

    Args:
        parts: iterable of float32 (rows, size).
    """
    found = Regression()
    for rows in parts:
        found.add(rows, rows[:, :0])
    return found


def _normal(rows):
    """Rows of mean 0 and variance 1."""
    return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
