"""Batches on their way to the model: each is made while the model computes the one before."""

import concurrent.futures
import contextlib


def as_dataset(batches, start, stop):
    """Makes a `tf.data.Dataset` of batches; each is made while the model computes the one before.

    A Python thread makes them. A thread of `tf.data` (`prefetch`) that calls Python while the
    interpreter ends, as after an error, would keep the process running for ever.

    Args:
        batches: `TrainingBatches`, `EvaluationBatches`, `CachedBatches` or `LabelledBatches`.
        start, stop: number of the first batch, and of the one after the last.

    Returns:
        A dataset of the dicts that `batches.at` makes. Its shapes are static, except for sizes that
        depend on the batch (`LabelledBatches.signature`); a batch that is taken from an iterator
        outside of a graph always has the shapes of its arrays.
    """
    import tensorflow as tf

    pool = concurrent.futures.ThreadPoolExecutor(max_workers=1)
    ahead = {start: pool.submit(batches.at, start)}  # number of the next batch: its future
    if hasattr(batches, "signature"):
        shapes = batches.signature()
    else:
        first = ahead[start].result()
        shapes = {name: (array.shape, array.dtype) for name, array in first.items()}
    signature = {name: tf.TensorSpec(*each) for name, each in shapes.items()}

    def make(number):
        number = int(number)
        future = ahead.pop(number, None)
        batch = future.result() if future else batches.at(number)
        ahead.clear()
        if number + 1 < stop:
            with contextlib.suppress(RuntimeError):  # the process is ending
                ahead[number + 1] = pool.submit(batches.at, number + 1)
        return [batch[name] for name in signature]

    def at(number):
        arrays = tf.numpy_function(make, [number], [spec.dtype for spec in signature.values()])
        for array, spec in zip(arrays, signature.values(), strict=True):
            array.set_shape(spec.shape)
        return dict(zip(signature, arrays, strict=True))

    options = tf.data.Options()
    options.autotune.enabled = False  # it would add a prefetch
    return tf.data.Dataset.range(start, stop).map(at).with_options(options)


def taken_ahead(iterator):
    """Takes the next batch in a thread while the last is in use.

    A finished batch still needs 1.5 ms to pass through `tf.data`. The interpreter waits for this
    thread before it ends (see `as_dataset`).

    Args:
        iterator: iterator of a dataset.

    Yields:
        Its elements.
    """
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=1)
    try:
        future = pool.submit(next, iterator, None)
        while (batch := future.result()) is not None:
            future = pool.submit(next, iterator, None)
            yield batch
    finally:
        pool.shutdown(wait=False)  # the batch in preparation is not needed
