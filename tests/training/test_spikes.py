"""Losses far above those of the steps before are found, and nothing else is."""

import numpy as np

from tfdistill.training.checkpoints import Unlogged
from tfdistill.training.spikes import FEWEST, RECENT, spikes_among


def found(losses, counts=None, recent=None):
    unlogged = Unlogged()
    for loss, count in zip(losses, counts or [1] * len(losses), strict=True):
        unlogged.add({"loss": count * loss}, count)
    recent = [] if recent is None else recent
    return spikes_among(unlogged, unlogged.steps, recent), recent


def noise(steps, seed=0):
    return list(6.0 + np.random.default_rng(seed).normal(0, 0.1, steps))


def test_a_spike_is_named_with_its_step_and_what_is_usual():
    losses = noise(60)
    losses[40] = 10.0
    ((spike,), recent) = found(losses)
    assert spike["step"] == 41 and spike["steps"] == [41] and spike["loss"] == 10.0
    assert spike["usual"] == np.median(losses[:40])
    deviation = 1.4826 * np.median(np.abs(np.array(losses[:40]) - spike["usual"]))
    np.testing.assert_allclose(spike["deviation"], deviation)
    assert recent == losses


def test_noise_a_new_level_and_the_first_steps_are_no_spikes():
    assert found(noise(500))[0] == []
    assert found([20.0, *noise(FEWEST - 2), 20.0])[0] == []
    assert found([6.0] * 50 + [8.9] * 50)[0] == []  # less than half above, without any noise
    assert found(noise(50) + [9.5] * 200)[0] != []
    later = [spike["step"] for spike in found(noise(50) + [9.5] * 200)[0]]
    assert max(later) <= 50 + RECENT / 2 + 1  # until the median has followed


def test_it_goes_on_from_the_losses_before():
    losses = noise(90)
    losses[70] = 11.0
    whole, last = found(losses)
    _, recent = found(losses[:45])
    unlogged = Unlogged()
    for loss in losses[45:]:
        unlogged.add({"loss": loss}, 1)
    assert spikes_among(unlogged, 90, recent) == whole and recent == last


def test_of_several_steps_in_a_call_the_mean_counts():
    losses = noise(30)
    losses[25] = 12.0
    ((spike,), _) = found(losses, [4] * 30)
    assert spike["steps"] == [101, 102, 103, 104] and spike["step"] == 104
    assert spike["loss"] == 12.0
