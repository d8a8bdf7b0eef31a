"""Claims of a grid: what its file may claim, what counts as a seed, and the results."""

import json
import math

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.reports.grid_sections import (
    claims_html,
    claims_text,
    starts_html,
    starts_of,
    starts_text,
)
from tfdistill.run.grid_claims import claim_results
from tfdistill.run.grid_kept_claims import keep_claims
from tfdistill.run.grid_reader import read_grid
from tfdistill.system.errors import UserError
from tfdistill.train import COMMAND

LATE, EARLY = {"rate": "0", "start": "last"}, {"rate": "0", "start": "first"}
GRID = {
    "flags": {"recipe": "distilbert", "stop_after": "evaluate", "baseline": "text"},
    "axes": {
        "rate": {"0": {"layerdrop": 0.0}, "0.5": {"layerdrop": 0.5}},
        "start": {
            "first": {"student_init": "first"},
            "last": {"student_init": "last"},
            "cut": {"student_init": "first", "stop_after": "start"},
        },
        "seed": [0, 1, 2],
    },
    "shared": {
        "teacher": {
            "axes": ["rate", "seed"],
            "last_stage": "teacher",
            "gives": {"teacher": "teacher"},
        }
    },
}


def claim(better, than, name="A", **more):
    return {"name": name, "better": better, "than": than} | more


@pytest.fixture
def claimed(tmp_path):
    """A function of claims, and of changes of `GRID`, to the grid's `Claim`s."""

    def read(*claims, out="out", **changes):
        path = tmp_path / "grid.json"
        path.write_text(json.dumps(GRID | changes | {"claims": claims}))
        return read_grid(path, tmp_path / out, RunConfig(), COMMAND).claims

    return read


def test_a_claim_pairs_the_runs_of_a_seed(claimed):
    found = claimed(claim(EARLY, LATE))[0]
    assert [[(a.name, b.name) for a, b in pairs] for pairs in found.seeds] == [
        [(f"0/first/seed-{seed}", f"0/last/seed-{seed}")] for seed in range(3)
    ]
    assert (found.measured.better, found.measured.than) == ("start=first", "start=last")
    assert (found.measured.where, found.measured.metric) == ("rate=0", "nats of loss")
    assert len(found.runs()) == 6


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (claim({"rat": "0"}, LATE), "'better': there is no axis 'rat'"),
        (claim(EARLY, {"rate": "1", "start": "last"}), "'than': 'rate' has no value '1'; .*0, 0.5"),
        (claim({"rate": "0"}, LATE), "is no cell: name a value of 'start'"),
        (claim(EARLY | {"seed": "seed-0"}, LATE), "about all seeds; leave 'seed' out"),
        (claim(EARLY, EARLY), "compares a cell with itself"),
        (claim(EARLY, LATE, metric="los"), "no metric 'los'; there are loss, top1, .*steps"),
        (claim(EARLY, LATE, model="baseline"), "no model 'baseline'; .*student, .*baseline_text"),
        (claim(EARLY, LATE, model="teacher"), "compares a teacher with itself"),
        (claim(EARLY, LATE | {"start": "cut"}), "'loss' needs runs that reach the stage evaluate"),
        (claim(EARLY, LATE | {"rate": "0.5"}, model="teacher", metric="steps"), "a teacher has no"),
        ({"name": "A", "better": EARLY}, "'A' has no 'than'"),
        (claim(EARLY, LATE, metrics="loss"), "unknown key 'metrics'"),
        (claim(EARLY, "last"), "an object is needed"),
        (claim(EARLY, {"rate": 0}), "in quotes"),
    ],
)
def test_mistakes_are_named(claimed, made, message):
    with pytest.raises(UserError, match=message) as error:
        claimed(made)
    assert "\n" not in str(error.value)


def test_names_of_claims_differ(claimed):
    with pytest.raises(UserError, match="'A' comes twice"):
        claimed(claim(EARLY, LATE), claim(LATE, EARLY))


def test_cells_of_one_claim_are_in_one_table(claimed):
    with pytest.raises(UserError, match="in the tables 0 and 0.5"):
        claimed(claim(EARLY, LATE | {"rate": "0.5"}), tables=["rate"])
    assert claimed(claim(EARLY, LATE), tables=["rate"])[0].table == "0"


@pytest.mark.parametrize("axes", [["rate"], []])
def test_student_seeds_of_one_teacher_are_one_seed(claimed, axes):
    shared = {"teacher": GRID["shared"]["teacher"] | {"axes": axes}}
    with pytest.raises(UserError, match="has 1 seed: .*a teacher of its own for each"):
        claimed(claim(EARLY, LATE | {"rate": "0.5"}), shared=shared)


def test_cells_with_one_seed_have_no_claims(claimed):
    with pytest.raises(UserError, match="has 1 seed"):
        claimed(claim(EARLY, LATE), axes=GRID["axes"] | {"seed": [0]})


def test_a_folder_with_a_comma_is_no_teacher_in_common(claimed):
    assert len(claimed(claim(EARLY, LATE), out="a,b")[0].seeds) == 3


def test_cells_without_seeds_in_common_have_no_claims(claimed):
    rates = GRID["axes"]["rate"] | {"0": {"layerdrop": 0.0, "independent_of": ["seed"]}}
    alone = {"axes": {"rate": rates, "seed": [0, 1]}, "shared": {}}
    for model in ("student", "teacher"):
        with pytest.raises(UserError, match="its cells have no seeds in common"):
            claimed(claim({"rate": "0"}, {"rate": "0.5"}, model=model), **alone)


def loss(value, start=5.0, **others):
    models = {"student": {"loss": value}} | {key: {"loss": each} for key, each in others.items()}
    return {"metrics": {"models": models}, "curves": {}, "start_loss": start}


def test_results_are_those_of_the_finished_runs(claimed):
    found = claimed(
        claim(EARLY, LATE),
        claim(EARLY, EARLY, "B", than_model="baseline_text"),
        claim(LATE, EARLY, "C", metric="start"),
    )
    losses = {"first": [4.0, 4.1, 4.3], "last": [4.1, 4.3, 4.6]}
    runs = {
        run.folder: loss(losses[start][seed], baseline_text=5.0)
        for pairs in found[0].seeds
        for pair in pairs
        for run in pair
        for start, seed in [(run.place["start"], int(run.place["seed"][-1]))]
    }
    first, second, third = claim_results(found, runs)
    # Gains 0.1, 0.2, 0.3 as in test_claims; p = 0.0742, and three claims.
    assert first["p_uncorrected"] == pytest.approx(0.0742, abs=1e-4)
    assert first["state"] == "open" and first["p"] == pytest.approx(2 * first["p_uncorrected"])
    assert second["state"] == "held" and second["sentence"].startswith(
        "the student beats no teacher, text start (rate=0 start=first) by 0.867 ± "
    )
    assert third["state"] == "not tested" and "same difference" in third["sentence"]
    folder, _ = runs.popitem()
    assert claim_results(found, runs)[0]["sentence"].endswith("1 of its 6 runs are missing")
    infinite = claim_results(found, runs | {folder: loss(4.0, start=math.inf)})[2]
    assert infinite["sentence"].endswith("all runs have nats of validation loss before training")
    assert [each["p"] for each in claim_results(found, {})] == [None] * 3


def test_students_of_one_teacher_count_by_their_mean(claimed):
    axes = {
        "rate": GRID["axes"]["rate"],
        "teacher": {"t0": {"seed": 0}, "t1": {"seed": 1}},
        "seed": [0, 1],
    }
    shared = {"teacher": GRID["shared"]["teacher"] | {"axes": ["rate", "teacher"]}}
    found = claimed(claim({"rate": "0"}, {"rate": "0.5"}), axes=axes, shared=shared)
    assert [len(pairs) for pairs in found[0].seeds] == [2, 2]
    values = {"0": [1.0, 2.0, 3.0, 4.0], "0.5": [2.0, 4.0, 4.0, 8.0]}
    runs = {
        pair[side].folder: loss(values[rate][2 * seed + number])
        for side, rate in enumerate(values)
        for seed, pairs in enumerate(found[0].seeds)
        for number, pair in enumerate(pairs)
    }
    assert claim_results(found, runs)[0]["gains"] == [1.5, 2.5]


def test_claims_about_other_models_name_them(claimed):
    found = claimed(claim(EARLY, EARLY | {"rate": "0.5"}, model="teacher", metric="top1"))[0]
    names = found.measured.better, found.measured.than, found.measured.where
    assert names == ("the teacher of rate=0", "the teacher of rate=0.5", "start=first")
    assert found.measured.metric == "points of top-1" and found.measured.higher_is_better


def test_claims_are_kept_and_later_changes_are_named(claimed, tmp_path):
    first = claim(EARLY, LATE), claim(LATE, EARLY, "B", metric="start")
    assert keep_claims(claimed(*first), tmp_path, 0) == ""
    kept = json.loads((tmp_path / "claims.json").read_text())
    assert [each["name"] for each in kept["claims"]] == ["A", "B"]
    assert kept["claims"][0]["metric"] == "loss" and kept["claims"][0]["seeds"] == 3
    same = claim(EARLY, LATE, metric="loss", model="student"), first[1]
    assert keep_claims(claimed(*same), tmp_path, 6) == ""
    others = claim(EARLY, LATE, metric="top1"), claim(EARLY, EARLY | {"rate": "0.5"}, "C")
    lead = f"claims were kept on {kept['date'][:10]}, before the first run; since then: "
    assert keep_claims(claimed(*others), tmp_path, 6) == (
        lead + "added 'C', dropped 'B', changed 'A' (metric)"
    )
    seeds = GRID["axes"] | {"seed": [0, 1, 2, 3]}
    assert keep_claims(claimed(*first, axes=seeds), tmp_path, 6) == (
        lead + "changed 'A' (seeds), changed 'B' (seeds)"
    )
    others = GRID["axes"] | {"seed": [0, 1, 7]}
    assert keep_claims(claimed(*first, axes=others), tmp_path, 6) == (
        lead + "changed 'A' (runs), changed 'B' (runs)"
    )
    assert json.loads((tmp_path / "claims.json").read_text()) == kept


def test_claims_of_an_older_version_are_compared_by_what_was_kept(claimed, tmp_path):
    older = claimed(claim(EARLY, LATE))[0].as_kept()
    del older["runs"]
    content = {"date": "2026-01-02", "runs_made": 0, "claims": [older]}
    (tmp_path / "claims.json").write_text(json.dumps(content))
    assert keep_claims(claimed(claim(EARLY, LATE)), tmp_path, 6) == ""
    assert "changed 'A' (metric)" in keep_claims(
        claimed(claim(EARLY, LATE, metric="top1")), tmp_path, 6
    )


def test_claims_that_are_kept_after_runs_say_so(claimed, tmp_path):
    for _ in range(2):
        line = keep_claims(claimed(claim(EARLY, LATE)), tmp_path, 4)
        assert line.endswith(", when 4 of the runs were made") and "\n" not in line


def test_a_grid_that_claims_nothing_has_nothing_to_say(claimed, tmp_path):
    assert keep_claims([], tmp_path, 4) == "" == keep_claims([], tmp_path, 5)
    assert keep_claims(claimed(claim(EARLY, LATE)), tmp_path, 5).endswith("added 'A'")


def test_kept_claims_that_were_edited_are_named(claimed, tmp_path):
    found, file = claimed(claim(EARLY, LATE)), tmp_path / "claims.json"
    keep_claims(found, tmp_path, 0)
    file.write_text(file.read_text().replace('"A"', '"Z"'))
    with pytest.raises(UserError, match=r"claims.json is damaged, .*delete"):
        keep_claims(found, tmp_path, 0)


def test_claims_on_the_page_are_escaped():
    result = {"name": "<b>", "state": "held", "sentence": "a beats b"}
    assert "held</b>: &lt;b&gt;: a beats b." in claims_html([result], 3)
    assert "all 3 claims" in claims_text([result], 3)
    assert claims_html([], 3) == claims_text([], 3) == ""
    assert "added &#x27;&lt;b&gt;" in claims_html([], 0, "added '<b>'")


def test_starts_are_grouped_over_seeds():
    runs = [
        {"folder": f"{cut}-{seed}", "flags": {"start": cut, "seed": seed}, "start_loss": value}
        for cut, values in {"a": (5.0, 5.5), "b": (6.0,)}.items()
        for seed, value in zip("01", values, strict=False)
    ]
    starts = starts_of([*runs, {"metrics": {}, "start_loss": 1.0}])
    assert starts == [
        {"name": "start=a", "values": [5.0, 5.5]},
        {"name": "start=b", "values": [6.0]},
    ]
    assert "5.250 ± 0.354" in starts_text(starts) and "6.000" in starts_html(starts)
    assert starts_text([]) == starts_html([]) == ""
