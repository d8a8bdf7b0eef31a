"""The compare command, on minimal folders of runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.flagfile import flag_lines, parse_flag_lines

ROOT = Path(__file__).resolve().parents[1]
UNIGRAM = {"loss": 6.7, "top1": 0.06, "top5": 0.15, "predictions": 500}


@pytest.fixture
def make_run(tmp_path):
    """A function that writes the folder of a finished run and returns it."""

    def make(name, loss=4.0, *, stages=("student",), corpus="sample", **flags):
        path = tmp_path / name
        student = {"loss": loss, "top1": 0.3, "agreement": 0.6}
        metrics = {
            "corpus": corpus,
            "split": "test",
            "models": {"unigram": UNIGRAM, "student": student},
            "seconds": {"student": 90.0},
            "peak_memory_bytes": 2_000_000_000,
        }
        for number, stage in enumerate(stages):
            points = [{"step": 10 * n, "loss": 5.0, "validation_loss": 5 - n / 10} for n in (1, 2)]
            points = [row | {"validation_loss": row["validation_loss"] - number} for row in points]
            curve = path / "checkpoints" / stage / "curve.jsonl"
            curve.parent.mkdir(parents=True)
            curve.write_text("".join(json.dumps(row) + "\n" for row in points))
        trained = {"stages": list(stages), "peak_memory_bytes": 1_500_000_000}
        done = {"start": {"validation_loss": 5.5}, "student": trained}
        state = {"settings": {}, "done": done}
        (path / "checkpoints" / "state.json").write_text(json.dumps(state))
        (path / "metrics.json").write_text(json.dumps(metrics))
        lines = flag_lines(RunConfig(output_dir=str(path), **flags))
        (path / "flags.txt").write_text("\n".join(lines) + "\n")
        return path

    return make


@pytest.fixture
def compare(run_command, tmp_path):
    """A function of words that runs the command, its page in the test's folder."""
    return lambda *words: run_command("compare", f"--page={tmp_path / 'page.html'}", *words)


def fails(capfd, code, *words):
    """Checks that the command ended with a one-line error that contains the words."""
    error = capfd.readouterr().err
    assert code == 1
    assert error.startswith("error: ") and error.count("\n") == 1, error
    assert [word for word in words if str(word) not in error] == [], error


def test_table_and_page(make_run, compare, tmp_path, capfd):
    folders = [make_run(f"mlm-{seed}", 4.0 + seed / 10, recipe="mlm", seed=seed) for seed in (0, 1)]
    folders.append(make_run("distilled", 3.9, device="cpu"))
    assert not compare(*folders)
    shown = " ".join(capfd.readouterr().out.split())
    assert "recipe=mlm 2 4.050 ± 0.071 30.0 ± 0.0 60.0 ± 0.0 1.5 ± 0.0" in shown
    assert "recipe=distilbert 1 3.900 30.0 60.0 1.5 1.50" in shown
    assert "recipe=mlm 2 5.500 ± 0.000 " in shown and "recipe=distilbert 1 5.500 " in shown
    assert f"page: {tmp_path / 'page.html'}" in shown
    page = (tmp_path / "page.html").read_text()
    assert "4.050 ± 0.071" in page and "Validation: masked-LM loss" in page
    assert all(str(folder) in page for folder in folders)
    assert not re.search(r"<(script|link|img|iframe|object)|@import", page)
    addresses = re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)', page)
    assert addresses and all((one or two).startswith("#") for one, two in addresses)


def test_a_run_that_ended_before_its_report_has_the_same_numbers(make_run, compare, capfd):
    folder = make_run("whole")
    assert not compare("--json", folder)
    whole = json.loads(capfd.readouterr().out)["rows"]
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").unlink()
    file = folder / "checkpoints" / "state.json"
    state = json.loads(file.read_text())
    state["done"]["student"]["seconds"] = metrics["seconds"]["student"]
    state["done"]["evaluate"] = {"corpus": "sample", "models": metrics["models"]}
    state["done"]["evaluate"]["differences"] = {}
    state["settings"] = {"task": "masked_lm", "task_data": "", "recipe": "distilbert"}
    file.write_text(json.dumps(state))
    assert not compare("--json", folder)
    assert json.loads(capfd.readouterr().out)["rows"] == whole


def test_markup_in_names(make_run, compare, tmp_path):
    """HTML, and formulas in the plots."""
    assert not compare(make_run(r"$\frac{$ <b>"))
    page = (tmp_path / "page.html").read_text()
    assert r"$\frac{$ &lt;b&gt;" in page and "<b>" not in page


def test_json(make_run, compare, tmp_path, capfd):
    one, two = make_run("one"), make_run("two", 4.2, alpha_ce=1.0)
    assert not compare("--json", "--target_loss=4.95", f"--runs={one},{two}")
    captured = capfd.readouterr()
    found = json.loads(captured.out)
    assert found["groups"] == [
        {"name": f"alpha_ce={value}", "flags": {"alpha_ce": value}, "runs": [str(run)]}
        | {"seeds": ["0"]}
        for run, value in ((one, "5.0"), (two, "1.0"))
    ]
    assert (found["corpus"], found["split"], found["target_loss"]) == ("sample", "test", 4.95)
    assert found["page"] == str(tmp_path / "page.html")
    assert [row["model"] for row in found["rows"]] == ["student", "student", "unigram"]
    assert found["rows"][1]["loss"] == {"mean": 4.2, "sd": None, "values": [4.2]}
    assert found["rows"][0]["steps"]["values"] == [10]
    assert "alpha_ce=1.0" in captured.err


def test_settings_without_an_effect_name_no_run(make_run, compare, capfd):
    """A vocabulary, words' vectors and options of other recipes; the temperature counts in one."""
    idle = {"vocabulary_size": 500, "beta": 9.0, "n_epoch": 2.0}
    runs = [
        make_run("a", 4.0, recipe="mlm", steps=20),
        make_run("b", 4.2, recipe="mlm", steps=20, seed=1, temperature=9.0, **idle),
        make_run("c", 3.9, recipe="distilbert", steps=20, temperature=3.0, word_vectors="x.txt"),
        make_run("d", 3.8, recipe="distilbert", steps=20, alpha_ce=0.0, temperature=4.0),
    ]
    assert not compare("--json", *runs)
    groups = json.loads(capfd.readouterr().out)["groups"]
    assert {each["name"]: len(each["runs"]) for each in groups} == {
        "recipe=mlm": 2,
        "recipe=distilbert alpha_ce=5.0": 1,
        "recipe=distilbert alpha_ce=0.0": 1,
    }
    assert not compare("--json", runs[0], make_run("e", recipe="mlm", steps=20, layer_map="last"))
    (group,) = json.loads(capfd.readouterr().out)["groups"]
    assert group["name"] == "a and 1 more" and group["flags"] == {}


def test_steps_of_phases_are_counted_in_order(make_run, compare, capfd):
    run = make_run("hybrid", stages=("student-mlm", "student-distil"))
    assert not compare("--json", "--target_loss=3.85", run)
    rows = json.loads(capfd.readouterr().out)["rows"]
    assert rows[0]["steps"]["values"] == [40]


def test_its_flags_are_not_stored_in_runs():
    assert not {"runs", "page", "target_loss"} & parse_flag_lines(flag_lines(RunConfig())).keys()


def test_a_run_without_names_of_stages(make_run, compare, capfd):
    run = make_run("run")
    state = run / "checkpoints" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"done": {}}))
    assert not compare("--json", run)
    found = json.loads(capfd.readouterr().out)
    assert found["target_loss"] == 4.8 and found["rows"][0]["start"]["values"] == [None]


def test_stored_settings_override_flags(make_run, compare, capfd):
    folders = [make_run(f"run-{seed}", recipe="own.py:mine", seed=seed) for seed in (0, 1)]
    state = folders[1] / "checkpoints" / "state.json"
    changed = json.loads(state.read_text()) | {"settings": {"recipe": "own.py:mine (1a2b)"}}
    state.write_text(json.dumps(changed))
    assert not compare("--json", *folders)
    names = [group["name"] for group in json.loads(capfd.readouterr().out)["groups"]]
    assert names == ["recipe=own.py:mine", "recipe=own.py:mine (1a2b)"]


def test_then_counts_only_for_hybrid(make_run, compare, tmp_path, capfd):
    folders = [make_run("a", recipe="pkd"), make_run("b", recipe="hybrid", then="pkd")]
    folders += [make_run("c", recipe="hybrid", then="tinybert")]
    assert compare(*folders) == 0
    lines = [line.split("  ")[0] for line in capfd.readouterr().out.splitlines()]
    assert {"recipe=pkd", "recipe=hybrid then=pkd", "recipe=hybrid then=tinybert"} <= set(lines)
    page = (tmp_path / "page.html").read_text()
    runs = [[cell for cell in re.findall("<td[^>]*>([^<]*)", row)] for row in page.split("</tr>")]
    runs = {cells[0]: cells[1:4] for cells in runs if cells and cells[0] in map(str, folders)}
    assert [runs[str(folder)] for folder in folders] == [
        ["pkd", "–", "0"],
        ["hybrid", "pkd", "0"],
        ["hybrid", "tinybert", "0"],
    ]


def test_then_counts_for_a_users_recipe(make_run, compare, capfd):
    folders = [make_run(then, recipe="own.py:mine", then=then) for then in ("pkd", "tinybert")]
    assert compare(*folders) == 0
    assert "then=pkd" in capfd.readouterr().out


def test_an_older_run_without_curves(make_run, compare, capfd):
    old, new = make_run("old"), make_run("new", seed=1)
    lines = (old / "flags.txt").read_text().splitlines()
    (old / "flags.txt").write_text("\n".join(lines[:-1]))
    assert parse_flag_lines(lines).keys() - parse_flag_lines(lines[:-1]).keys()
    (old / "checkpoints" / "state.json").unlink()
    (old / "checkpoints" / "student" / "curve.jsonl").unlink()
    assert not compare("--json", old, new, f"{new}/")
    (group,) = json.loads(capfd.readouterr().out)["groups"]
    assert group["seeds"] == ["0", "1"]  # a folder that is named twice counts once


def test_only_an_earlier_comparison_is_overwritten(make_run, compare, tmp_path, capfd):
    run, page = make_run("run"), tmp_path / "page.html"
    page.write_text("<title>My page</title>")
    fails(capfd, compare(run), f"--page={page}")
    assert page.read_text() == "<title>My page</title>"
    page.unlink()
    assert not compare(run) and not compare(run)
    fails(capfd, compare(run, f"--page={tmp_path}"), f"--page={tmp_path}")


def test_no_folders(compare, tmp_path, capfd):
    fails(capfd, compare(), "no runs")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    "missing, words",
    [
        ("flags.txt", ["is no run"]),
        ("metrics.json", ["not finished", "metrics.json"]),
        ("folder", ["is no run"]),
    ],
)
def test_folders_without_a_finished_run(make_run, compare, capfd, missing, words):
    run, other = make_run("run"), make_run("other", seed=1)
    (run / missing).unlink() if missing != "folder" else run.rename(run.with_name("moved"))
    fails(capfd, compare(other, run), run, *words)


@pytest.mark.parametrize(
    "file, text",
    [
        ("checkpoints/student/curve.jsonl", '{"step": 1'),
        ("checkpoints/row_sums.safetensors", "cut off in a copy"),
        ("metrics.json", "[]"),
        ("metrics.json", '{"models"'),
        ("checkpoints/state.json", '{"settings": {'),
    ],
)
def test_a_broken_file(make_run, compare, capfd, file, text):
    run = make_run("run")
    (run / file).write_text(text)
    fails(capfd, compare(run), run, "broken file")


def test_flags_with_comments(make_run, compare, capfd):
    run = make_run("run")
    with open(run / "flags.txt", "a") as file:
        file.write("\n# a comment\n")
    assert compare(run) == 0


def test_different_corpora(make_run, compare, capfd):
    one, two = make_run("one"), make_run("two", corpus="wikitext-2")
    fails(capfd, compare(one, two), one, two, "'sample'", "'wikitext-2'")


def test_it_needs_no_tensorflow(make_run, tmp_path):
    words = ["-X", "importtime", "-m", "tfdistill.compare", f"--page={tmp_path / 'page.html'}"]
    done = subprocess.run(
        [sys.executable, *words, str(make_run("run"))], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0 and (tmp_path / "page.html").exists()
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "matplotlib" in imported and not {"tensorflow", "keras"} & imported
