"""Comparisons of runs: groups, rows, differences and plots."""

import re

import numpy as np
import pytest

from tfdistill.reports import group_plots
from tfdistill.reports.comparison import (
    compare_runs,
    group_runs,
    join_phases,
    mean_and_deviation,
)
from tfdistill.reports.comparison_page import (
    comparison_json,
    comparison_page,
    format_comparison,
    is_comparison_page,
)
from tfdistill.reports.measures import early_loss, end_of, steps_to
from tfdistill.reports.svg import GROUP_COLOURS
from tfdistill.reports.table import WIDTH
from tfdistill.system.errors import UserError
from tfdistill.tasks.masked_lm import MaskedLM
from tfdistill.training.paired_bootstrap import RowSums

FLAGS = {"length": "64", "student_init": "first", "recipe": "mlm", "seed": "0", "baseline": "none"}


@pytest.fixture
def run(metrics):
    """A function of a folder, the student's loss and flags to a run of two validation points."""

    def make(folder, loss=4.0, points=(4.5, 4.0), seconds=120.0, start_loss=5.0, **flags):
        rows = [
            {"step": 100 * n, "loss": 9.0, "loss_mlm": point + 0.5, "validation_loss": point}
            for n, point in enumerate(points, start=1)
        ]
        models = {**metrics["models"], "student": {**metrics["models"]["student"], "loss": loss}}
        return {
            "folder": folder,
            "flags": FLAGS | {name: str(value) for name, value in flags.items()},
            "metrics": {**metrics, "models": models, "seconds": {"student": seconds}},
            "start_loss": start_loss,
            "curves": {"student": join_phases([rows], start_loss)},
        }

    return make


def row_of(comparison, model):
    return [row for row in comparison.rows if row.model == model]


# -- groups and their names


def test_seeds_and_baselines_are_one_group(run):
    runs = [run("a", seed=0), run("b", recipe="distilbert"), run("c", seed=1, baseline="both")]
    groups = group_runs(runs)
    assert [[each["folder"] for each in group.runs] for group in groups] == [["a", "c"], ["b"]]


def test_what_changes_no_result_is_left_out_of_groups_and_names(run):
    runs = [run("a", device="cpu"), run("b", device="gpu", recipe="distilbert")]
    runs += [run("c", device="gpu")]
    students = row_of(compare_runs(runs, frozenset({"device"})), "student")
    assert [(row.name, row.folders) for row in students] == [
        ("recipe=mlm", ["a", "c"]),
        ("recipe=distilbert", ["b"]),
    ]
    assert len(row_of(compare_runs(runs), "student")) == 3


def test_groups_are_named_by_the_flags_in_which_they_differ(run):
    runs = [run("a", student_init="spaced"), run("b", recipe="distilbert", teacher="")]
    runs[0]["flags"]["teacher"] = "x"
    names = [group.name for group in group_runs(runs)]
    assert names == [
        "recipe=mlm student_init=spaced teacher=x",
        "recipe=distilbert student_init=first teacher=–",
    ]


@pytest.mark.parametrize("folders, name", [(["r/a"], "a"), (["r/a", "r/b", "c"], "a and 2 more")])
def test_a_group_alone_has_its_folders_name(run, folders, name):
    (group,) = group_runs([run(folder, seed=n) for n, folder in enumerate(folders)])
    assert group.name == name and group.flags == {}


# -- numbers


def test_mean_and_sample_standard_deviation(run):
    losses, seconds = [4.1, 4.4, 4.2], [60.0, 90.0, 75.0]
    runs = [
        run(str(n), loss, seconds=spent, seed=n)
        for n, (loss, spent) in enumerate(zip(losses, seconds, strict=True))
    ]
    (row,) = comparison_json(compare_runs(runs))["rows"][:1]
    for key, values in {"loss": losses, "minutes": np.array(seconds) / 60}.items():
        assert row[key]["mean"] == pytest.approx(np.mean(values))
        assert row[key]["sd"] == pytest.approx(np.std(values, ddof=1))
    assert "4.233 ± 0.153" in format_comparison(compare_runs(runs))


def test_asking_the_teacher_beforehand_counts_as_training(run):
    cached = run("a", seconds=60.0)
    cached["metrics"]["seconds"] |= {"cache": 30.0, "baseline_start": 48.0}
    rows = {row["model"]: row for row in comparison_json(compare_runs([cached]))["rows"]}
    assert rows["student"]["minutes"]["mean"] == pytest.approx(1.5)
    assert rows["baseline_start"]["minutes"]["mean"] == pytest.approx(0.8)


def test_one_run_has_no_deviation_and_a_missing_number_no_mean():
    assert mean_and_deviation([3.0]) == (3.0, None)
    assert mean_and_deviation([3.0, None]) == (None, None)


def test_steps_count_on_over_the_phases():
    first = [{"step": 50, "loss": 6.0}, {"step": 100, "loss": 5.0, "validation_loss": 5.5}]
    second = [
        {"step": 40, "loss": 4.0, "validation_loss": 4.5},
        {"step": 80, "loss": 3.0, "validation_loss": 4.0},
    ]
    curve = join_phases([first, second], start_loss=7.0)
    assert [row["step"] for row in curve] == [0, 50, 100, 140, 180]
    reached = {loss: steps_to(curve, loss) for loss in (7.0, 5.5, 4.6, 4.5, 4.0, 3.9, None)}
    assert reached == {7.0: 0, 5.5: 100, 4.6: 140, 4.5: 140, 4.0: 180, 3.9: None, None: None}
    assert second[0]["step"] == 40
    assert join_phases([[], []], start_loss=7.0) == []


def test_all_students_reach_the_target_that_is_chosen(run):
    runs = [run("a", points=(4.5, 4.2)), run("b", points=(4.1, 4.3), recipe="distilbert")]
    comparison = compare_runs(runs)
    assert comparison.target == 4.3
    assert [row.values["steps"] for row in row_of(comparison, "student")] == [[200], [100]]
    assert "4.3000 nats or less (the highest" in " ".join(format_comparison(comparison).split())


def test_a_target_that_some_do_not_reach(run):
    runs = [run("a", points=(4.5, 4.2)), run("b", points=(4.4, 4.3), seed=1)]
    comparison = compare_runs(runs, target_loss=4.25)
    assert "1 of 2" in format_comparison(comparison)
    assert comparison_json(comparison)["rows"][0]["steps"] == (
        {"mean": None, "sd": None, "values": [200, None]}
    )
    never = format_comparison(compare_runs(runs, target_loss=1.0)).splitlines()
    assert next(line for line in never if "4.000 ±" in line).endswith("–")


def test_runs_without_curves(run):
    runs = [run("a", points=()), run("b", points=(), recipe="distilbert")]
    comparison = compare_runs(runs)
    assert comparison.target is None and "holds a validation curve" in format_comparison(comparison)
    assert "<svg" not in comparison_page(comparison)


# -- the models beside the students


def test_what_groups_share_is_one_row(run, metrics):
    runs = [run("a"), run("b", recipe="distilbert"), run("c", recipe="distilbert", seed=1)]
    other = {**metrics["models"]["teacher"], "loss": 3.9}
    runs[2]["metrics"]["models"]["teacher"] = other
    (teacher,) = row_of(compare_runs(runs), "teacher")
    assert sorted(teacher.values["loss"]) == [3.9, 3.9812] and teacher.name == "teacher"
    (baseline,) = row_of(compare_runs(runs), "baseline")
    assert baseline.values["loss"] == [5.2345] and baseline.name == "no teacher, random start"


def test_what_groups_do_not_share_is_named_by_what_differs(run, metrics):
    runs = [
        run(f"{length}-{recipe}", recipe=recipe, length=length)
        for length in (64, 32)
        for recipe in ("mlm", "distilbert")
    ]
    for each in runs[2:]:
        each["metrics"]["models"]["baseline_start"] = {"loss": 4.8, "top1": 0.2}
    del runs[0]["metrics"]["models"]["baseline_start"]
    rows = row_of(compare_runs(runs), "baseline_start")
    # The one of length 64 is of one recipe alone, those of 32 are of both.
    assert [(row.name, row.values["loss"]) for row in rows] == [
        ("no teacher, same start: length=64", [4.3333]),
        ("no teacher, same start: length=32", [4.8]),
    ]


def test_what_no_flag_tells_apart_is_named_by_its_groups(run):
    recipes = "mlm", "distilbert", "mobilebert", "minilm"
    runs = [run(f"{recipe}/seed-0", recipe=recipe) for recipe in recipes]
    for number, each in enumerate(runs):
        measured = {"loss": 3.0 + number // 2, "top1": 0.3}
        each["metrics"]["models"]["teacher"] = measured
    comparison = compare_runs(runs)
    assert [(row.name, row.values["loss"]) for row in row_of(comparison, "teacher")] == [
        ("teacher: recipe=mlm and 1 more", [3.0]),
        ("teacher: recipe=mobilebert and 1 more", [4.0]),
    ]
    assert format_comparison(comparison).count("teacher: recipe=m") == 2


def test_a_teacher_without_a_head_has_no_row(run):
    one = run("a")
    one["metrics"]["models"]["teacher"] = {"parameters": 5}
    assert row_of(compare_runs([one]), "teacher") == []
    assert len(row_of(compare_runs([one]), "unigram")) == 1


# -- sampling errors


@pytest.fixture
def scored(run):
    """A function like `run` whose students score `top1` right of 5 words in each of 40 rows."""

    def make(folder, top1, baseline=None, predictions=5, **flags):
        made = run(folder, **flags)
        generator = np.random.default_rng(0)

        def sums(share):
            words = np.full(40, predictions)
            right = generator.binomial(words, 0.4) + share * words
            loss = words * generator.normal(5, 1, 40)
            return RowSums({"loss": loss, "top1": right}, words)

        made["row_sums"] = {"student": sums(top1)}
        if baseline is not None:
            made["row_sums"]["baseline_start"] = sums(baseline)
        return made

    return make


def test_differences_between_groups_and_from_their_own_starts(scored):
    runs = [scored("a", 0.1, 0.0, seed=0), scored("b", 0.2, 0.1, seed=1)]
    runs += [scored("c", 0.4, 0.3, recipe="distilbert")]
    comparison = compare_runs(runs)
    own = "its same start without a teacher"
    names = "recipe=mlm", "recipe=distilbert"
    assert comparison.differences.keys() == {names[::-1], *((name, own) for name in names)}
    # All draw the same words by chance; of two seeds the mean counts.
    between = comparison.differences[names[::-1]]["top1"]
    assert between["value"] == pytest.approx(0.25) and between["standard_error"] < 1e-9
    shown = [" ".join(line.split()) for line in format_comparison(comparison).splitlines()]
    assert any(line.startswith("recipe=distilbert − recipe=mlm +25.0 ± 0.0") for line in shown)
    assert f"recipe=mlm − {own}" in comparison_page(comparison)
    found = {(each["name"], each["less"]) for each in comparison_json(comparison)["differences"]}
    assert found == comparison.differences.keys()


def test_no_differences_without_the_rows_or_with_others(scored, run):
    for runs in (
        [run("a"), run("b", recipe="distilbert")],
        [scored("a", 0.1), run("b", recipe="distilbert")],
        [scored("a", 0.1), scored("b", 0.1, predictions=6, recipe="distilbert")],
    ):
        comparison = compare_runs(runs)
        assert comparison.differences == {}
        assert "resamples" not in format_comparison(comparison)


# -- what cannot be compared


@pytest.mark.parametrize("key, value", [("corpus", "other"), ("split", "validation")])
def test_other_text(run, key, value):
    runs = [run("r/a"), run("r/b")]
    runs[1]["metrics"][key] = value
    with pytest.raises(UserError, match=f"r/a and r/b .*{runs[0]['metrics'][key]}.*{value}"):
        compare_runs(runs)


@pytest.mark.parametrize(
    "flags, reason", [({"length": 32}, "length=64 and length=32"), ({}, "corpus was changed")]
)
def test_other_hidden_words_of_the_same_corpus(run, flags, reason):
    runs = [run("a"), run("b", **flags)]
    runs[1]["metrics"]["models"]["unigram"] = {"loss": 6.713, "top1": 0.06, "top5": 0.15}
    with pytest.raises(UserError, match=reason):
        compare_runs(runs)


# -- the table and the page


def test_the_terminals_lines_fit(run):
    runs = [
        run(f"runs/{recipe}-{seed}", 4.0 + seed / 100, recipe=recipe, seed=seed, student_init=start)
        for recipe, start in (("mlm", "0,1,2,3"), ("distilbert", ",".join(map(str, range(12)))))
        for seed in (0, 1, 2)
    ]
    lines = format_comparison(compare_runs(runs)).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert (
        "recipe=mlm student_init=0,1,2,3: runs/mlm-0, runs/mlm-1, runs/mlm-2 (seed 0, 1, 2)"
        in lines
    )
    name = "recipe=distilbert student_init=0,1,2,3,4,5,6,7,8,9,10,11"
    numbers = lines[lines.index(name) + 1].split()
    assert numbers[:4] == ["3", "4.010", "±", "0.010"]
    alone = format_comparison(compare_runs(runs[::3])).splitlines()
    assert any(line.startswith(f"{name}  ") and "4.000" in line for line in alone)


def test_the_page_holds_the_groups_and_escapes_them(run):
    runs = [run("runs/<b>", recipe="mlm"), run("runs/b", 4.3217, recipe="<i>&", seed=7)]
    page = comparison_page(compare_runs(runs))
    assert is_comparison_page(page) and not is_comparison_page("<title>Other</title>")
    for text in ("4.322", "recipe=&lt;i&gt;&amp;", "runs/&lt;b&gt;", "<td>7</td>", "n-1"):
        assert text in page, text
    assert "<b>" not in page and "<i>" not in page


def test_losses_after_a_tenth_of_the_steps_and_at_the_end():
    losses = {0: 6.0, 30: 5.0, 40: 4.5, 80: 4.2, 400: 4.0}
    curve = [{"step": step, "validation_loss": loss} for step, loss in losses.items()]
    curve.insert(2, {"step": 35, "loss": 4.9})
    assert (early_loss(curve), end_of(curve)) == (4.5, 4.0)
    assert early_loss(curve[-1:]) is None is early_loss([]) is end_of([])


def test_runs_may_have_targets_of_their_own(run):
    runs = [run("a", points=(4.5, 4.0)) | {"target": 4.5}]
    runs += [run("b", points=(4.5, 4.0), seed=1) | {"target": None}]
    comparison = compare_runs(runs, target_name="start=text")
    assert comparison.rows[0].values["steps"] == [100, None]
    assert "with start=text" in format_comparison(comparison).replace("\n  ", " ")


def test_each_group_has_its_line_and_several_runs_a_band():
    def curve(*losses):
        return [{"step": n, "validation_loss": loss} for n, loss in enumerate(losses)]

    def lines(svg, colour):
        return [path for path in re.findall(r"<path [^>]*>", svg) if colour in path]

    one, two = GROUP_COLOURS[:2]
    svg = group_plots.overlaid_curves(
        [("one", [curve(5, 4), curve(4, 3)]), ("two", [curve(5, 2)])], MaskedLM()
    )
    strong = {colour: [p for p in lines(svg, colour) if "1.8" in p] for colour in (one, two)}
    bands = {colour: len(re.findall(f"fill: {colour}; fill-opacity", svg)) for colour in (one, two)}
    assert bands == {one: 1, two: 0}
    assert len(strong[one]) == len(strong[two]) > 0
    assert ">one</text>" in svg and ">two</text>" in svg and "Training" not in svg
    assert group_plots.overlaid_curves([("one", [[]])], MaskedLM()) == ""


def test_the_mean_of_runs_logged_at_other_steps():
    lines = [([0, 10, 20], [4.0, 2.0, 0.0]), ([5, 15], [2.0, 0.0])]
    steps, losses, deviations = group_plots.mean_line(lines)
    assert steps == [5, 10, 15]
    np.testing.assert_allclose(losses, [2.5, 1.5, 0.5])
    np.testing.assert_allclose(deviations, np.sqrt([0.5, 0.5, 0.5]))  # 1 apart, n - 1
    assert group_plots.mean_line(lines[:1])[2] is None


def test_a_start_far_above_the_others_leaves_the_plot():
    usual = [([0, 50, 100], [5.0, 4.5, 4.0])] * 2
    low, high = group_plots.visible_range([*usual, ([0, 50, 100], [11.0, 5.5, 5.2])])
    assert 3.5 < low < 4.0 and 5.5 < high < 6.0
    low, high = group_plots.visible_range([([100], [4.0])])
    assert low < 4.0 < high


def test_runs_of_one_task_are_compared(run):
    """With the metric of a data set, and with and without pairs of segments beside masked LM."""
    mrpc = {"task": "text_classification", "task_data": "glue/mrpc"}
    mrpc |= {"models": {"student": {"loss": 0.5, "f1": 0.8, "accuracy": 0.7}}}
    mrpc = [each | {"metrics": each["metrics"] | mrpc} for each in (run("a"), run("b", seed=1))]
    assert compare_runs(mrpc).task.primary.key == "f1"
    with pytest.raises(UserError, match="have different tasks"):
        compare_runs([run("a"), mrpc[0]])
    both = []
    for each, classes in zip(mrpc, (["land", "sea"], ["land", "sea", "sky"]), strict=True):
        floor = {"floor": {"loss": 0.7, "per_class": dict.fromkeys(classes, {})}}
        models = each["metrics"]["models"] | floor
        both.append(each | {"metrics": each["metrics"] | {"models": models}})
    with pytest.raises(UserError, match=r"a and b have different classes \(.* has sky\)"):
        compare_runs(both)
    pairs = []
    for seed in (0, 1):
        found = run("pairs", seed=seed, nsp="true")
        models = found["metrics"]["models"]
        models["student"] = models["student"] | {"nsp_loss": 0.6, "nsp_accuracy": 0.7}
        pairs.append(found)
    for runs in (pairs, [run("a"), *pairs]):
        assert [row.runs for row in row_of(compare_runs(runs), "student")][-1] == pairs
