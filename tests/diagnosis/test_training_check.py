"""Two ways of training agree, and a faulty one is detected."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from tfdistill import recipes
from tfdistill.command_line.cli import Command
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.diagnosis import workloads
from tfdistill.diagnosis.training_check import Comparison, Course, Way, compare, train, ways
from tfdistill.models.activations import ACTIVATIONS
from tfdistill.run import plan
from tfdistill.system.devices import Choice

MODELS = ("teacher", "student")
PLAIN = Choice("cpu", "float32", False, False, 1, "a test")
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def names(**changes):
    return [way.name for way in ways(dataclasses.replace(PLAIN, **changes))]


def test_ways_to_compare():
    assert names() == ["cpu, plain"]
    assert names(jit_compile=True) == ["cpu, plain", "cpu, XLA"]
    assert names(precision="bfloat16") == ["cpu, plain", "cpu, bfloat16"]
    assert names(device="gpu", on_metal=True) == ["cpu, plain", "gpu"]
    assert names(device="gpu", precision="bfloat16", jit_compile=True, replicas=2) == [
        "cpu, plain",
        "gpu, bfloat16, XLA",
    ]
    reference, chosen = ways(dataclasses.replace(PLAIN, device="gpu", replicas=2))
    assert dataclasses.astuple(reference.choice)[:-1] == dataclasses.astuple(PLAIN)[:-1]
    assert (chosen.choice.device, chosen.choice.replicas) == ("gpu", 1)


def course(losses, norms=None):
    return Course(tuple(losses), tuple(norms or [1.0] * len(losses)), 100.0)


@pytest.mark.parametrize(
    "found, problem",
    [
        (course([10.0] * 20), ""),
        (course([10.0] * 19 + [10.05]), ""),  # a single step may differ
        (course([10.0] * 10 + [10.1] * 10), "its loss differs by 1.00%"),
        (course([10.0] * 10 + [9.9] * 10), "its loss differs by 1.00%"),
        (course([10.0] * 20, [1.0] * 10 + [1.5] * 10), "its gradient norm differs by 50.00%"),
        (course([10.0] * 19 + [math.nan]), "NaN or infinite"),
        (course([10.0] * 20, [1.0] * 19 + [math.inf]), "NaN or infinite"),
    ],
)
def test_differences_of_courses(found, problem):
    comparison = compare(course([10.0] * 20), found, "float32")
    assert problem in comparison.problem and bool(problem) == bool(comparison.problem)


def test_sixteen_bits_may_differ_more():
    pair = course([10.0] * 20), course([10.0] * 10 + [10.05] * 10)
    assert compare(*pair, "float32").problem and not compare(*pair, "bfloat16").problem
    assert compare(*pair, "bfloat16") == Comparison(pytest.approx(0.005), 0.0, "")


@pytest.fixture(scope="module")
def small():
    """A small workload and its batches."""
    shape = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1)
    mini = workloads.MINI
    models = {name: dataclasses.replace(getattr(mini, name), **shape) for name in MODELS}
    workload = dataclasses.replace(mini, rows=8, length=16, **models)
    return workload, workloads.batches(workload, load_tokenizer())


@pytest.fixture(scope="module")
def expected(small):
    """The course of plain steps."""
    return train(*small, Way("plain", PLAIN), 12)


@pytest.mark.parametrize(
    "change",
    [
        {"on_metal": True},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        {"precision": "bfloat16"},
        {"precision": "float16"},
    ],
    ids=str,
)
def test_ways_agree(small, expected, change):
    """With dropout and LayerDrop, whose draws are equal."""
    assert small[0].student.hidden_dropout_prob and small[0].layerdrop
    done = []
    found = train(*small, Way("other", dataclasses.replace(PLAIN, **change)), 12, done.append)
    assert done == list(range(2, 13)) and len(found.losses) == len(found.gradient_norms) == 12
    assert found.losses[-1] < found.losses[0] and found.tokens_per_second > 0
    comparison = compare(expected, found, change.get("precision", "float32"))
    assert not comparison.problem
    if "precision" in change:
        assert comparison.loss > 0  # the other precision is used indeed


def test_a_faulty_device_is_detected(small, monkeypatch):
    """Its activation is a little wrong, like the Metal plugin's fusions."""
    same = workloads.without_draws(small[0]), small[1]
    expected = train(*same, Way("plain", PLAIN), 12)
    gelu = ACTIVATIONS["gelu"]
    monkeypatch.setitem(ACTIVATIONS, "gelu", lambda x: gelu(x + 0.5))
    found = train(*same, Way("faulty", PLAIN), 12)
    assert compare(expected, found, "float32").problem


def read_flagfile(name):
    return Command("", ()).config([f"--flagfile={CONFIGS / name}"])


def test_mini_has_the_settings_of_its_flagfile():
    config = read_flagfile("mini.flags")
    recipe = recipes.get(config.recipe, **vars(config))
    mini = workloads.of_run(config, plan.make_plan(config, recipe, [], load_tokenizer()))
    assert mini.options["restrict_ce_to_mask"]
    same = dict(name="mini", options=workloads.MINI.options)
    assert dataclasses.replace(mini, **same) == workloads.without_draws(workloads.MINI)


def test_batches_are_real_text(small):
    tokenizer = load_tokenizer()
    batch = small[1].at(0)
    assert batch["input_ids"].shape == (8, 16)
    text = tokenizer.decode(small[1].source.gather(np.array([0]))[0])
    assert sum(letter.isalpha() for letter in text) > 20 and "[UNK]" not in text
