"""The order of examples of several lengths."""

import numpy as np
import pytest

from tfdistill.data.bucket_order import BucketOrder

BUCKETS = np.array([0, 2, 0, 0, 2, 0, 0, 2, 2, 2, 0])  # none in bucket 1
ROWS = (4, 3, 2)


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_every_example_once_an_epoch_in_batches_of_one_bucket(epoch):
    order = BucketOrder(BUCKETS, ROWS, seed=3)
    assert order.steps_per_epoch == 2 + 0 + 3
    found = []
    for step in range(epoch * 5, epoch * 5 + 5):
        indices, epochs = order.at(step)
        assert indices.dtype == epochs.dtype == np.int64 and set(epochs) == {epoch}
        real = indices[indices >= 0]
        (bucket,) = set(BUCKETS[real])
        assert len(indices) == ROWS[bucket] and (indices[len(real) :] == -1).all()
        found += real.tolist()
    assert sorted(found) == list(range(len(BUCKETS)))


def test_a_batch_depends_on_seed_and_step_alone():
    order = BucketOrder(BUCKETS, ROWS, seed=3)
    forward = [order.at(step)[0].tolist() for step in range(30)]
    fresh = BucketOrder(BUCKETS, ROWS, seed=3)
    for step in (29, 0, 17, 4, 5):
        assert fresh.at(step)[0].tolist() == forward[step]
    assert len({str(forward[first : first + 5]) for first in range(0, 30, 5)}) == 6
    assert BucketOrder(BUCKETS, ROWS, seed=4).at(0)[0].tolist() != forward[0]


def test_batches_of_different_buckets_are_mixed():
    order = BucketOrder(np.repeat([0, 1], 100), (4, 4), seed=0)
    buckets = [int(order.at(step)[0][0] >= 100) for step in range(50)]
    assert 10 < np.abs(np.diff(buckets)).sum() < 40
