"""The main job from text to report, and the commands that read a finished run."""

import datetime
import html
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

import tfdistill
from tfdistill.models.hugging_face.checkpoint import load_model
from tfdistill.run import stages
from tfdistill.run.directory import STAGES, RunDirectory, RunPaths
from tfdistill.system.errors import UserError
from tfdistill.train import COMMAND
from tfdistill.training.paired_bootstrap import load_row_sums, paired_errors

pytestmark = pytest.mark.tf218

MEASURES = {"loss", "pseudo_perplexity", "top1", "top5"}
SIZES = {"parameters", "parameters_without_embeddings"}
SHIPPED = {"bytes", "latency_ms", "file", "files"}
BASELINES = "baseline", "baseline_start", "baseline_text"
MODEL_FILES = "config.json model.safetensors vocab.txt tokenizer.json tokenizer_config.json".split()
TEXT = "the man [MASK] the sea."


@pytest.fixture(scope="module")
def run(tmp_path_factory, run_command, tiny_flags):
    """A complete run: a teacher made here, a student, all baselines."""
    path = tmp_path_factory.mktemp("runs") / "tiny"
    assert run_command("train", *tiny_flags(output_dir=path, baseline="random,start,text")) == 0
    return path


def weights(folder):
    return load_file(folder / "model.safetensors")


def equal(ours, theirs):
    return ours.keys() == theirs.keys() and all(
        np.array_equal(ours[name], theirs[name]) for name in ours
    )


def finished(path):
    """Facts of the stages that are done."""
    return json.loads((path / "checkpoints" / "state.json").read_text())["done"]


def metrics_of(path):
    metrics = json.loads((path / "metrics.json").read_text())
    del metrics["sha256"]
    return metrics


@pytest.mark.slow
def test_flags_that_change_how_steps_are_computed(tmp_path, train, tiny_flags, monkeypatch):
    """Two steps in each call, until an odd one is left; layers are computed again."""
    from tfdistill.models import encoder

    recompute, recomputed, steps = encoder.recomputed, [], []

    def spy(*arguments):
        recomputed.append(arguments)
        return recompute(*arguments)

    monkeypatch.setattr(encoder, "recomputed", spy)
    how = dict(steps_per_execution=2, remat="true", log_interval=4, checkpoint_interval=4)
    how["validation_interval"] = 4
    what = dict(recipe="mlm", student_init="random", steps=45, output_dir=tmp_path / "run")
    train(
        tiny_flags(**how, **what),
        stop_after="student",
        watch=lambda stage, step: steps.append(step) if stage == "student" else None,
    )
    assert sorted(set(steps)) == [*range(0, 45, 2), 45] and recomputed


def test_files_of_a_finished_run(run):
    exported = ["student.tflite", "student_int8.tflite", "vocab.txt", "model_card.md"]
    expected = [
        *("flags.txt", "metrics.json", "results.md", "report.html"),
        *(f"{model}/{file}" for model in ("teacher", "student") for file in MODEL_FILES),
        *(f"export/{file}" for file in (*exported, "saved_model/saved_model.pb")),
    ]
    assert [name for name in expected if not (run / name).is_file()] == []
    assert list((run / "tensorboard" / "flags").glob("events.out.tfevents.*"))
    for stage in ("teacher", "student", *BASELINES):
        assert list((run / "tensorboard" / stage).glob("events.out.tfevents.*"))
        rows = (run / "checkpoints" / stage / "curve.jsonl").read_text().splitlines()
        rows = [json.loads(row) for row in rows]
        # A curve has ten points or more, so every one of these few steps is measured.
        assert [row["step"] for row in rows if "validation_loss" in row] == list(range(9))
        assert all("loss" in row for row in rows[1:])
        times = [row["wall_time"] for row in rows]
        assert times == sorted(times) and 1.7e9 < times[0]
    assert not list(run.rglob("*.tmp")) and not list(run.rglob("step-*.safetensors"))


def test_metrics(run):
    metrics = metrics_of(run)
    models = metrics["models"]
    compared = {"student_start", "student", *BASELINES}
    assert models.keys() == {"unigram", "teacher", *compared}
    assert models["unigram"].keys() >= MEASURES
    assert models["teacher"].keys() >= MEASURES | SIZES | SHIPPED
    assert models["student"].keys() >= MEASURES | SIZES | SHIPPED | {"agreement"}
    for key in compared:
        assert models[key].keys() >= MEASURES | SIZES | {"agreement"}
    assert metrics["split"] == "test" and metrics["corpus"].endswith("text.txt")
    assert metrics["verdict"].keys() == {"quality", "speed", "size"}
    common = {"value", "threshold", "passed", "state", "definition", "beside"}
    for criterion in metrics["verdict"].values():
        assert criterion.keys() - {"reason"} == common
    # Eight steps are too few to learn anything.
    assert metrics["verdict"]["quality"]["state"] == metrics["conclusion"]["state"] == "not shown"
    stages = {"prepare", "teacher", "start", "student", *BASELINES}
    assert metrics["seconds"].keys() == stages | {"evaluate", "export"}
    assert metrics["peak_memory_bytes"] > 100e6
    assert metrics["versions"].keys() >= {"python", "tensorflow", "keras"}
    size = (run / "export" / "student_int8.tflite").stat().st_size
    assert models["student"]["bytes"] == size
    for key in ("teacher", "student"):
        files = models[key]["files"]
        assert files.keys() == {"float32", "int8"} and files["int8"]["latency_ms"] > 0
        assert files["int8"]["bytes"] < files["float32"]["bytes"]
    assert not list((run / "checkpoints").glob("*.tflite"))  # the teacher's were for timing
    # A fresh model begins at the unigram level, and a few steps do not take it far from there.
    for key in ("teacher", "student"):
        assert models[key]["loss"] == pytest.approx(models["unigram"]["loss"], rel=0.05)


def test_differences(run):
    """Of the student and everything beside it, with the errors that the stored rows give."""
    metrics = metrics_of(run)
    beside = ("unigram", "teacher", "student_start", *BASELINES)
    expected = {"teacher-unigram", *(f"student-{key}" for key in beside)}
    assert metrics["differences"].keys() == expected
    for name, found in metrics["differences"].items():
        one, two = (metrics["models"][key] for key in name.split("-"))
        for metric in ("top1", "loss"):
            assert found[metric].keys() == {"value", "standard_error"}
            assert found[metric]["value"] == pytest.approx(one[metric] - two[metric], abs=1e-6)
            assert found[metric]["standard_error"] >= 0
    sums = load_row_sums(RunPaths(run).row_sums)
    assert sums.keys() == metrics["models"].keys()
    assert (
        paired_errors(sums, [("student", "baseline_start")])[1]["student-baseline_start"]
        == (metrics["differences"]["student-baseline_start"])
    )
    assert metrics["teacher_answers"].keys() == {"text", "top1", "loss"}


def test_description_of_the_run(run):
    facts = metrics_of(run)["run"]
    assert facts["steps"] == dict.fromkeys(["student", "teacher", *BASELINES], 8)
    assert (facts["recipe"], facts["seed"]) == ("distilbert", 0)
    assert facts["flags"]["baseline"] == "random,start,text" and "seed" not in facts["flags"]
    assert "--teacher_steps=8" in facts["command"] and "--seed" not in facts["command"]
    assert facts["learning_rates"]["teacher"] == 1e-3
    shape = facts["shapes"]["student"]
    assert (shape["num_hidden_layers"], shape["hidden_size"]) == (1, 16)
    assert facts["corpus"]["splits"]["train"]["tokens"] > 1000
    machine = facts["machine"]
    assert (machine["device"], machine["precision"]) == ("cpu", "float32")
    assert machine["processor"] and machine["cores"] >= 1
    assert datetime.datetime.fromisoformat(facts["date"]).tzinfo
    page = html.unescape((run / "report.html").read_text())
    assert facts["command"] in page and machine["processor"] in page


def test_the_baseline_from_text_starts_from_it(run):
    """As a fresh teacher does: nearer to a start from the text than to random numbers."""
    models = metrics_of(run)["models"]
    assert models["baseline_text"]["parameters"] == models["student"]["parameters"]
    trained = weights(run / "checkpoints" / "baseline_text_model")
    word = "bert.embeddings.word_embeddings.weight"
    random = weights(run / "checkpoints" / "baseline_model")
    teacher = weights(run / "teacher")[word]  # counted from the same text

    def alike(one, two):
        one, two = (table @ table.T for table in (one, two))
        return np.corrcoef(one.ravel(), two.ravel())[0, 1]

    assert alike(trained[word], teacher) > 0.5 > alike(random[word], teacher)


def test_the_student_starts_as_the_cut_teacher(run):
    teacher, start = weights(run / "teacher"), weights(run / "checkpoints" / "student_start")
    assert all(np.array_equal(start[name], teacher[name]) for name in start)
    assert not equal(weights(run / "student"), start)
    assert not equal(weights(run / "student"), weights(run / "checkpoints/baseline_start_model"))


def test_a_finished_run_is_not_done_again(run, run_command, tiny_flags, capfd):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in run.rglob("*")}
    # The order of a list is no other setting.
    flags = tiny_flags(output_dir=run, baseline="text,start,random")
    assert run_command("train", *flags, "--json") == 0
    out, err = capfd.readouterr()
    assert "is finished" in err and json.loads(out) == metrics_of(run)
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in run.rglob("*")} == before


def test_a_finished_run_needs_no_model(run, tmp_path, train, tiny_flags, capfd):
    """Not even the teacher that it was made from."""
    path = tmp_path / "run"
    path.mkdir()
    for name in ("flags.txt", "metrics.json", "checkpoints/state.json"):
        (path / name).parent.mkdir(exist_ok=True)
        shutil.copy(run / name, path / name)
    train(tiny_flags(output_dir=path, baseline="random,start,text"))
    assert "is finished" in capfd.readouterr().out


def test_lost_results_are_made_again(run, tmp_path, train, tiny_flags, capfd):
    """From the models and files that the run still has; one that is lost, too, is named."""
    path = tmp_path / "run"
    shutil.copytree(run, path)
    (path / "metrics.json").unlink()
    (path / "report.html").unlink()
    flags = tiny_flags(output_dir=path, baseline="random,start,text")
    train(flags)
    assert "writing the report" in capfd.readouterr().out and (path / "report.html").is_file()
    found, before = metrics_of(path), metrics_of(run)
    assert found["models"] == before["models"] and found["verdict"] == before["verdict"]
    (path / "metrics.json").unlink()
    shutil.rmtree(path / "student")
    with pytest.raises(UserError, match=f"{path / 'student'} has vanished"):
        train(flags)


def test_a_lost_export_is_made_again(tmp_path):
    directory = RunDirectory(tmp_path, {})
    directory.begin()
    context = SimpleNamespace(directory=directory)
    (export,) = (stage for stage in stages.ALL if stage.name == "export")
    directory.export.mkdir()
    assert not export.is_done(context)
    directory.finish("export", {"seconds": 1})
    assert export.is_done(context)
    directory.export.rmdir()
    assert not export.is_done(context)


def test_a_finished_run_refuses_data_that_changed(
    run, tiny_text, tmp_path, run_command, tiny_flags, capfd
):
    path, text = tmp_path / "run", tmp_path / "text.txt"
    shutil.copy(tiny_text / "text.txt", text)
    (path / "checkpoints").mkdir(parents=True)
    shutil.copy(run / "metrics.json", path)
    state = json.loads((run / "checkpoints/state.json").read_text())
    del state["sha256"]  # of what it was before
    state["settings"]["corpus"] = str(text)
    (path / "checkpoints/state.json").write_text(json.dumps(state))
    flags = tiny_flags(output_dir=path, baseline="random,start,text", corpus=text)
    assert run_command("train", *flags) == 0 and "is finished" in capfd.readouterr().out
    with open(text, "a") as file:
        file.write("One more line of text.\n")
    assert run_command("train", *flags) == 1
    assert "holds the results of other data" in capfd.readouterr().err
    text.unlink()
    assert run_command("train", *flags) == 0 and "is finished" in capfd.readouterr().out


def test_evaluate_repeats_the_results_of_the_run(run, run_command, tiny_flags, capfd):
    # Text and length are the run's own.
    assert run_command("evaluate", f"--output_dir={run}", "--json") == 0
    out, err = capfd.readouterr()
    result, metrics = json.loads(out), metrics_of(run)
    assert (result["corpus"], result["split"]) == (metrics["corpus"], "test")
    assert result["models"].keys() == metrics["models"].keys()
    for key, model in result["models"].items():
        for name, value in model.items():
            if name in ("file", "files", "standard_errors"):
                assert value == metrics["models"][key][name]
            else:
                assert value == pytest.approx(metrics["models"][key][name], rel=1e-6), name
    for key in ("differences", "verdict", "conclusion", "teacher_answers"):
        assert result[key] == metrics[key]
    rows = [line for line in err.splitlines() if line.startswith("student after")]
    (row,) = [line.split() for line in rows if "−" not in line]
    assert row[2] == f"{metrics['models']['student']['loss']:.3f}"


def test_a_run_is_measured_from_anywhere(
    run, tiny_text, tiny_flags, tmp_path, run_command, capfd, monkeypatch
):
    """Its relative paths are those of the folder that its command was given in."""
    there, here = tmp_path / "there", tmp_path / "here"
    for folder in (there, here):
        folder.mkdir()
    shutil.copytree(run, there / "run")
    shutil.copy(tiny_text / "text.txt", there)
    shutil.copytree(tiny_text / "shards", there / "shards")
    flags = tiny_flags(output_dir="run", corpus="text.txt", shards_dir="shards", baseline="both")
    (there / "run" / "flags.txt").write_text("\n".join(flags) + "\n")
    state = there / "run" / "checkpoints" / "state.json"
    facts = json.loads(state.read_text())
    del facts["sha256"]  # of what it was before
    assert facts["done"]["prepare"]["folder"] == os.getcwd()
    facts["done"]["prepare"]["folder"] = str(there)
    state.write_text(json.dumps(facts))
    monkeypatch.chdir(here)
    capfd.readouterr()
    assert run_command("evaluate", f"--output_dir={there / 'run'}", "--json") == 0
    result = json.loads(capfd.readouterr().out)
    assert result["models"]["student"]["loss"] == pytest.approx(
        metrics_of(run)["models"]["student"]["loss"], rel=1e-6
    )
    assert list(here.iterdir()) == [] and len(list((there / "shards").glob("text-*/"))) == 1


def test_flags_of_a_run_repeat_it_and_delete_nothing(run):
    lines = (run / "flags.txt").read_text().splitlines()
    names = {line.split("=")[0] for line in lines}
    assert "--teacher_steps=8" in lines and not names & {"--force", "--json", "--model", "--text"}


def test_a_run_is_not_exported_over(run, run_command, capfd):
    before = (run / "export" / "student.tflite").stat().st_mtime_ns
    words = f"--output_dir={run}", f"--model={run / 'teacher'}"
    assert run_command("export", *words) == 1
    assert f"--output_dir={run} is a run" in capfd.readouterr().err
    assert (run / "export" / "student.tflite").stat().st_mtime_ns == before


def test_a_run_refuses_another_text(tiny_text, tmp_path, train, run_command, tiny_flags, capfd):
    text = tmp_path / "text.txt"
    text.write_text((tiny_text / "text.txt").read_text("utf-8")[:30_000], "utf-8")
    flags = tiny_flags(output_dir=tmp_path / "run", corpus=text)
    train(flags, stop_after="prepare")
    with open(text, "a") as file:
        file.write("One more line of text.\n")
    assert run_command("train", *flags) == 1
    assert "began with other text" in capfd.readouterr().err


@pytest.mark.slow
def test_stages_are_run_up_to_a_named_one(tmp_path, train, tiny_flags, capfd):
    """The teacher's checkpoint replaces the start that is made from the text."""
    path, from_text = tmp_path / "run", "making the teacher's start from the text"
    flags = tiny_flags(output_dir=path)
    train(flags, stop_at=("teacher", 4))
    assert list(path.rglob("step-*.safetensors")) and from_text in capfd.readouterr().out
    assert train(flags, stop_after="teacher")["teacher"] == 3
    out = capfd.readouterr().out
    assert from_text not in out and "stopped after teacher, as requested" in out
    assert (path / "teacher" / "config.json").is_file() and not (path / "student").exists()
    assert list(finished(path)) == ["prepare", "teacher"]
    assert "teacher" not in train(flags, stop_after="start")
    assert list(finished(path)) == ["prepare", "teacher", "start"]


@pytest.mark.parametrize(("setting", "given"), [("prepare", None), ("teacher", "prepare")])
def test_stop_after_a_stage_from_python(tmp_path, tiny_flags, setting, given):
    flags = tiny_flags(output_dir=tmp_path / "run", seed=3, stop_after=setting)
    assert tfdistill.train_model(COMMAND.config(flags), stop_after=given) is None
    assert list(finished(tmp_path / "run")) == ["prepare"]


def test_an_unknown_stage(tmp_path, tiny_flags, train):
    with pytest.raises(UserError) as error:
        train(tiny_flags(output_dir=tmp_path / "run"), stop_after="pretrain")
    assert "stop_after=pretrain: no such stage; the stages are prepare, augmentation" in str(
        error.value
    )
    assert "teacher" in str(error.value)
    assert not (tmp_path / "run").exists()


def test_stages_have_their_names_in_this_order():
    assert [stage.name for stage in stages.ALL] == STAGES


@pytest.mark.slow
def test_a_random_start_is_that_of_the_random_baseline(run, tmp_path, train, tiny_flags):
    path = tmp_path / "run"
    flags = tiny_flags(output_dir=path, teacher=run / "teacher", tokenizer=None, steps=2)
    train([*flags, "--student_init=random", "--baseline=random"], stop_after="baselines")
    first = [
        json.loads((path / "checkpoints" / name / "curve.jsonl").read_text().splitlines()[0])
        for name in ("student", "baseline")
    ]
    assert first[0]["step"] == 0 and first[0]["validation_loss"] == first[1]["validation_loss"]
    bias = weights(path / "checkpoints" / "student_start")["cls.predictions.bias"]
    assert np.ptp(bias) > 1  # the log-frequencies of the tokens


def test_evaluate_one_model(run, run_command, tiny_flags, capfd):
    flags = tiny_flags(tokenizer=None)
    assert run_command("evaluate", *flags, f"--model={run / 'teacher'}", "--json") == 0
    out, err = capfd.readouterr()
    result = json.loads(out)
    models = result["models"]
    assert models.keys() == {"unigram", "model"} and "agreement" not in models["model"]
    assert result["differences"].keys() == {"model-unigram"}
    assert "model − unigram" in err and "resamples" in err
    assert models["model"]["top5"] == metrics_of(run)["models"]["teacher"]["top5"]


def test_fill_mask_both_ways(run, run_command, capfd):
    found = []
    for model in ("student", "export/student.tflite"):
        assert run_command("fill_mask", f"--model={run / model}", TEXT, "--json") == 0
        (words,) = json.loads(capfd.readouterr().out)["predictions"]
        found.append(words)
    assert [word for word, _ in found[0]] == [word for word, _ in found[1]]
    assert np.allclose([p for _, p in found[0]], [p for _, p in found[1]], atol=1e-5)


@pytest.mark.slow
def test_no_teacher(tmp_path, run_command, tiny_flags):
    path = tmp_path / "run"
    assert run_command("train", *tiny_flags(output_dir=path, recipe="mlm")) == 0
    metrics = metrics_of(path)
    assert not (path / "teacher").exists()
    assert metrics["models"].keys() == {"unigram", "student_start", "student"}
    assert metrics["verdict"] == metrics["conclusion"] == metrics["teacher_answers"] == {}
    assert metrics["differences"].keys() == {"student-unigram", "student-student_start"}
    assert (path / "export" / "student.tflite").is_file() and (path / "report.html").is_file()


def test_a_loaded_teacher(run, tmp_path, train, tiny_flags):
    """Under its other name, with its own tokenizer; the student has half its layers."""
    path = tmp_path / "run"
    flags = tiny_flags(
        output_dir=path, teacher_name=run / "teacher", tokenizer=None, student_config=None
    )
    train(flags, stop_after="evaluate")
    assert equal(weights(path / "teacher"), weights(run / "teacher"))
    assert not (path / "checkpoints" / "teacher" / "curve.jsonl").exists()
    assert load_model(path / "student").config.num_hidden_layers == 1
    measured = finished(path)["evaluate"]["models"]["teacher"]
    assert measured["loss"] == metrics_of(run)["models"]["teacher"]["loss"]


@pytest.mark.slow
def test_an_adapted_teacher_and_a_distilbert_student(run, tmp_path, train, tiny_flags):
    """Each is read once for the evaluation, and stays in memory for the export and the report."""
    path = tmp_path / "run"
    files = [path / name / "model.safetensors" for name in ("teacher", "student")]
    flags = tiny_flags(
        output_dir=path, teacher=run / "teacher", layerdrop_adapt_steps=4, student_type="distilbert"
    )

    def hide_after_the_evaluation(stage, step):
        if stage == "export" and files[0].exists():
            for file in files:
                file.rename(file.with_suffix(".aside"))

    train([*flags, "--freeze_pos_embs"], watch=hide_after_the_evaluation)
    for file in files:
        file.with_suffix(".aside").rename(file)
    teacher, student = weights(path / "teacher"), weights(path / "student")
    assert not equal(teacher, weights(run / "teacher"))
    assert load_model(path / "student").config.model_type == "distilbert"
    table = "embeddings.position_embeddings.weight"
    folded = teacher[f"bert.{table}"] + teacher["bert.embeddings.token_type_embeddings.weight"][:1]
    assert np.array_equal(student[f"distilbert.{table}"], folded)
    assert metrics_of(path)["models"]["student"]["agreement"] > 0
    assert (path / "export" / "student.tflite").is_file() and (path / "report.html").is_file()


@pytest.mark.slow
def test_a_run_in_bfloat16_that_is_stopped(run, tmp_path, train, run_command, tiny_flags, capfd):
    """It keeps its precision; its saved models are float32, as those of any run."""
    path = tmp_path / "run"
    flags = tiny_flags(output_dir=path, teacher=run / "teacher")

    train([*flags, "--precision=bfloat16"], stop_after="baselines")
    machine = finished(path)["prepare"]["machine"]
    assert (machine["device"], machine["precision"]) == ("cpu", "bfloat16")
    assert not (path / "metrics.json").exists()
    assert run_command("train", *flags) == 1
    assert "holds a run made with --precision=bfloat16" in capfd.readouterr().err

    assert run_command("train", *flags, "--precision=bfloat16") == 0
    assert "as the run began; bfloat16" in capfd.readouterr().out
    student, started = weights(path / "student"), weights(path / "checkpoints" / "student_start")
    assert {str(array.dtype) for array in student.values()} == {"float32"}
    assert not equal(student, started)
    agreement = metrics_of(path)["export"]["student.tflite"]["agreement"]
    assert agreement > 0.99  # the file and the model compute in float32 alike


def run_on_devices(count, flags):
    """The main job on logical CPUs, in a process of its own."""
    script = Path(__file__).with_name("run_on_devices.py")
    done = subprocess.run(
        [sys.executable, script, str(count), *flags], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_devices_run_the_main_job_like_one(tmp_path, tiny_flags):
    """With micro-batches, dropout and LayerDrop."""
    paths = {count: tmp_path / str(count) for count in (1, 2)}
    options = dict(gradient_accumulation_steps=2, baseline="start")
    for count, path in paths.items():
        out = run_on_devices(count, tiny_flags(output_dir=path, **options))
        assert f"{count} devices" in out
    for folder in ("teacher", "student", "checkpoints/baseline_start_model"):
        one, two = (weights(paths[count] / folder) for count in (1, 2))
        for name, expected in one.items():
            np.testing.assert_allclose(two[name], expected, atol=1e-5, err_msg=name)
    found = {count: metrics_of(path)["models"]["student"]["loss"] for count, path in paths.items()}
    assert abs(found[1] - found[2]) < 1e-4
