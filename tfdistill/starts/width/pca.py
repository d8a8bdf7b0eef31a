"""Makes a narrow model from the principal components of a wide model's hidden states.

The residual connections keep the stream of hidden states x in one basis. It becomes (x - c) P: c is
the mean of x at this point of the network, and P a basis of the k - 1 leading principal components
in the k dimensions of the narrow stream, rotated so that the coordinates of x sum to zero. The mean
that a norm subtracts is then zero. (SliceGPT, Ashkboos et al., 2024, section 3, does this without
means, for norms whose scale can be folded into the next kernels. Here a residual connection follows
each norm, so that its scale and shift are fitted instead.)

All layers are fitted from the bottom up, by ridge regressions on the outputs of the narrow model so
far. The heads and neurons with the largest variance of their output are selected.
"""

import numpy as np

from tfdistill.distillation.least_squares import Regression, fit_norm
from tfdistill.starts.width.heads import score_maps, value_maps
from tfdistill.starts.width.selection import copy_embeddings, copy_head, largest
from tfdistill.starts.width.stream import (
    add_up,
    fire,
    moments,
    residual_basis,
    stream_moments,
)
from tfdistill.starts.width.vocabulary import fit_head

# Of ridge regressions towards the projected kernels that read the stream and that write to it.
READ_SHRINKAGE = 1e-4
WRITE_SHRINKAGE = 1e-2

# Share of a norm's mean scale; smaller scales are raised to it before a division.
SMALLEST_SCALE = 0.2


def narrow_by_components(wide, narrow, text):
    """Fills a narrow model with the principal components of a wide one.

    Args:
        wide, narrow: `MaskedLanguageModel` in float32, of equal depth.
        text: `Text`.
    """
    same = narrow.config.hidden_size == wide.config.hidden_size
    centres, covariance = stream_moments(wide.encoder, text)
    if same:  # No projection: the fit starts from exact copies.
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


class _Fit:
    """Fits the parts of a narrow model, one after the other.

    Streams are lists of (batch, length, size).

    Args:
        text: `Text`.
        basis: float32 (wide, narrow).
    """

    def __init__(self, text, basis):
        self.text = text
        self.basis = basis

    def embeddings(self, theirs, ours, hidden, centre):
        """Projects the tables with the scale of their norm folded in, and fits the norm."""
        # Centering, scaling and projecting is linear, so that it applies to each table.
        fold = np.asarray(theirs.layer_norm.gamma)[:, None] * self.basis
        fold = fold - fold.mean(axis=0)
        for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
            table = getattr(theirs, name)
            if table is not None:
                getattr(ours, name).assign(np.asarray(table) @ fold)
        # The fresh norm has scale 1 and shift 0: its output is the normalized row.
        normal = self.text.rows(self.text.embed(ours))
        fit_norm(ours.layer_norm, normal, self._projected(hidden, centre))

    def attention(self, theirs, ours, hidden, narrow_hidden, centre):
        """Fits the first half of a layer.

        Args:
            theirs, ours: `TransformerLayer`, the wide one and the narrow one.
            hidden, narrow_hidden: the streams that enter.
            centre: float32 (wide,), the mean after the wide one's norm.

        Returns:
            (wide stream, narrow stream), after this half of both layers.
        """
        text, config, size = self.text, ours.config, theirs.config.head_size
        contexts = text.contexts(theirs.attention, hidden)
        context = moments(text.rows(contexts)).covariance
        output = np.asarray(theirs.attention.output_dense.kernel) @ self.basis
        heads = largest(_head_energies(context, output, size), config.num_attention_heads)
        columns = (heads[:, None] * size + np.arange(size)).ravel()
        output = output[columns]
        readers = theirs.attention.query, theirs.attention.key, theirs.attention.value
        stream, read = self._read(hidden, narrow_hidden, readers, columns)
        if config.head_size < size:
            context = context[np.ix_(columns, columns)]
            read, output = _smaller_heads(stream, read, context, output, config)
        # Scores, and the relations of queries, keys and values, are divided by sqrt(head size).
        scale = (config.head_size / size) ** 0.25
        readers = ours.attention.query, ours.attention.key, ours.attention.value
        for dense, (kernel, bias) in zip(readers, read, strict=True):
            dense.kernel.assign(kernel * scale)
            dense.bias.assign(bias * scale)
        features = text.contexts(ours.attention, narrow_hidden)
        sums = add_up(theirs.attention.output_dense, contexts, hidden)
        after = [theirs.attention_norm(part) for part in sums]
        dense, norm = ours.attention.output_dense, ours.attention_norm
        self._write(dense, norm, output / scale, features, narrow_hidden, sums, after, centre)
        return after, [norm(part) for part in add_up(dense, features, narrow_hidden)]

    def feed_forward(self, theirs, ours, hidden, narrow_hidden, centre):
        """Fits the second half of a layer; arguments and result as `attention`."""
        fired = fire(theirs, hidden)
        output = np.asarray(theirs.output_dense.kernel) @ self.basis
        energies = _variances(self.text.rows(fired)) * np.sum(output**2, axis=1)
        neurons = largest(energies, ours.config.intermediate_size)
        _, [(kernel, bias)] = self._read(hidden, narrow_hidden, [theirs.intermediate], neurons)
        ours.intermediate.kernel.assign(kernel)
        ours.intermediate.bias.assign(bias)
        features = fire(ours, narrow_hidden)
        sums = add_up(theirs.output_dense, fired, hidden)
        after = [theirs.output_norm(part) for part in sums]
        dense, norm = ours.output_dense, ours.output_norm
        self._write(dense, norm, output[neurons], features, narrow_hidden, sums, after, centre)
        return after, [norm(part) for part in add_up(dense, features, narrow_hidden)]

    def _projected(self, stream, centre):
        """Rows of a wide stream in the narrow basis."""
        return ((rows - centre) @ self.basis for rows in self.text.rows(stream))

    def _read(self, hidden, narrow_hidden, layers, columns):
        """Kernels for the narrow stream that approximate the outputs of wide kernels.

        A regression predicts the wide stream from the narrow one; the wide kernels follow. As all
        of it is linear, regressions of the outputs themselves would give the same.

        Args:
            hidden, narrow_hidden: the streams.
            layers: Dense layers of the wide model.
            columns: int (out,), the selected outputs.

        Returns:
            (the `Regression`, list of a (kernel, bias) per layer).
        """
        regression = Regression()
        parts = zip(self.text.rows(narrow_hidden), self.text.rows(hidden), strict=True)
        for ours, theirs in parts:
            regression.add(ours, theirs)
        back, mean = regression.solve(self.basis.T, READ_SHRINKAGE)  # (narrow, wide), (wide,)
        read = []
        for dense in layers:
            kernel = np.asarray(dense.kernel)[:, columns]
            read.append((back @ kernel, mean @ kernel + np.asarray(dense.bias)[columns]))
        return regression, read

    def _write(self, dense, norm, output, features, narrow_hidden, sums, after, centre):
        """Fits a kernel that writes to the stream, and the norm that follows it.

        Args:
            dense, norm: layers of the narrow model.
            output: (in, narrow), the projected kernel.
            features: list of (batch, length, in), the input of `dense`.
            narrow_hidden: the narrow stream that the output of `dense` is added to.
            sums, after: the wide stream before and after its norm.
            centre: float32 (wide,), the mean of `after`.
        """
        text = self.text
        projected = [rows @ self.basis for rows in text.rows(sums)]
        targets = list(self._projected(after, centre))
        fit_norm(norm, projected, targets)
        # The input of the norm that gives its targets, with the standard deviation of the wide one.
        scale, shift = np.asarray(norm.gamma), np.asarray(norm.beta)
        smallest = SMALLEST_SCALE * np.abs(scale).mean()
        scale = np.copysign(np.maximum(np.abs(scale), smallest), scale)
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
    """Variance of each head's output, the trace of O^T C O: float64 (heads,)."""
    heads = [slice(at, at + size) for at in range(0, len(output), size)]
    return np.array([np.sum((context[head, head] @ output[head]) * output[head]) for head in heads])


def _variances(parts):
    total = square = count = 0
    for rows in parts:
        total = total + rows.sum(axis=0, dtype=np.float64)
        square = square + np.square(rows).sum(axis=0, dtype=np.float64)
        count += len(rows)
    return square / count - (total / count) ** 2


def _smaller_heads(stream, read, context, output, config):
    """Makes heads smaller, each separately.

    Args:
        stream: `Regression` whose inputs are the narrow stream.
        read: list of (kernel, bias) of query, key and value, of wide heads.
        context: float64 (heads * wide head size) squared, the covariance of the wide contexts.
        output: (heads * wide head size, narrow), the projected output kernel.
        config: EncoderConfig of the narrow model.

    Returns:
        (list like `read`, float64 (heads * head size, narrow)), for the smaller heads.
    """
    size, covariance, mean = config.head_size, stream.covariance, stream.mean
    smaller, outputs = ([], [], []), []
    for columns in np.split(np.arange(len(output)), config.num_attention_heads):
        parts = [(kernel[:, columns], bias[columns]) for kernel, bias in read]
        (query, query_bias), (key, _), _ = parts
        query_mean = mean @ query + query_bias
        second = query.T @ covariance @ query + np.outer(query_mean, query_mean)
        to_query, to_key = score_maps(second, key.T @ covariance @ key, size)
        to_value, behind = value_maps(context[np.ix_(columns, columns)], output[columns], size)
        outputs.append(behind)
        maps = to_query, to_key, to_value
        for found, (kernel, bias), to_small in zip(smaller, parts, maps, strict=True):
            found.append((kernel @ to_small, bias @ to_small))
    joined = [
        tuple(np.concatenate(arrays, axis=-1) for arrays in zip(*found, strict=True))
        for found in smaller
    ]
    return joined, np.concatenate(outputs)


def _normal(rows):
    """Rows of mean 0 and variance 1."""
    return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
