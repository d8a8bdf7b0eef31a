"""Runs with several teachers, and runs with a teacher cache."""

import fcntl
import json
import os
import signal

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfdistill import recipes
from tfdistill.command_line.console import Console
from tfdistill.data.batches import TrainingBatches
from tfdistill.data.masking import training_masking
from tfdistill.data.row_store import RowStore
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.signals import TOKEN_ROWS, CachedStates, CachedTopK
from tfdistill.distillation.teachers import Teachers
from tfdistill.models.hugging_face.checkpoint import load_model, save_model
from tfdistill.run.teacher_cache import LOCK, TeacherCache
from tfdistill.system.errors import UserError
from tfdistill.system.stopping import Stopped


@pytest.fixture(scope="module")
def teachers(tmp_path_factory, tiny_text, tiny_model):
    """Folders of two teachers with the tiny text's vocabulary, and of one with another."""
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    shape = dict(hidden_size=16, intermediate_size=64, vocab_size=tokenizer.vocab_size)
    models = {
        "first": tiny_model(1, **shape),
        "second": tiny_model(2, **(shape | {"hidden_size": 8, "num_hidden_layers": 3})),
    }
    folders = {}
    for name, model in models.items():
        folders[name] = tmp_path_factory.mktemp(name)
        save_model(model, folders[name])
        tokenizer.save(folders[name])
    folders["foreign"] = tmp_path_factory.mktemp("foreign")
    save_model(models["first"], folders["foreign"])
    words = (tiny_text / "vocabulary" / "vocab.txt").read_text("utf-8").split("\n")
    words[50], words[51] = words[51], words[50]
    (folders["foreign"] / "vocab.txt").write_text("\n".join(words), "utf-8")
    return folders


@pytest.fixture
def run(train, tiny_flags, teachers, tmp_path, capsys):
    """A function of a run's name and settings to (the error that ended it, its output, its folder).

    It ends after its student, after the stage `stop_after`, or at `stop_at` (see `train`). `patch`
    is called with a `MonkeyPatch` before it.
    """

    def run(name, teacher="first", patch=None, stop_after="student", stop_at=None, **flags):
        named = ",".join(str(teachers[each]) for each in teacher.split("+"))
        flags = dict(teacher=named, tokenizer=None, output_dir=tmp_path / name) | flags
        error = None
        with pytest.MonkeyPatch.context() as monkeypatch:
            if patch:
                patch(monkeypatch)
            try:
                train(tiny_flags(**flags), stop_after=stop_after, stop_at=stop_at)
            except (UserError, Stopped, KeyboardInterrupt) as ended:
                error = ended
        return error, capsys.readouterr().out, tmp_path / name

    return run


def weights(path):
    return load_file(path / "student" / "model.safetensors")


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one | other)


def models(path):
    return json.loads((path / "metrics.json").read_text())["models"]


@pytest.mark.slow
def test_a_second_seed_reads_the_cache_of_the_first(run, tmp_path):
    flags = dict(teacher_cache=tmp_path / "cache", n_epoch=1, steps=None, batch_size=64)
    _, output, first = run("first", **flags)
    assert " 0 of" in output and "bytes a token" in output, output
    (folder,) = (tmp_path / "cache").iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["length"] == 16 and len(manifest["teachers"]) == 1
    rows = len(np.load(folder / "mask-0" / "last_hidden_state.npy", mmap_mode="r"))
    kept = {file.name: file.read_bytes() for file in (folder / "mask-0").iterdir()}
    _, output, second = run("second", seed=5, **flags)
    assert f"{rows:,} of {rows:,} rows are there" in output, output
    assert kept == {file.name: file.read_bytes() for file in (folder / "mask-0").iterdir()}
    assert not same(weights(first), weights(second))


def test_a_batch_has_the_cached_signals_of_its_rows_and_masks(
    tmp_path, tiny_model, tiny_rows, tiny_tokenizer
):
    """Over two epochs with their own masks: losses with the cache equal those with the teacher.

    The cache holds 199 of 200 tokens, so that only rounding to float16 is lost.
    """
    rows, words = tiny_rows(100, 12), tiny_tokenizer.vocab_size
    batches = TrainingBatches(rows, 4, 7, training_masking(rows), draws_per_row=2)
    teacher, student = (tiny_model(seed, vocab_size=words) for seed in (1, 2))
    signals = [
        CachedStates("last_hidden_state"),
        CachedTopK(TOKEN_ROWS, 2.0, most=words - 1),
    ]
    cache = TeacherCache(tmp_path, batches, Teachers([teacher]), words)
    cache.fill([(signals, 0, 5)], Console())
    distiller = Distiller(student, recipes.get("distilbert").phases[0], teacher)
    for step in range(5):
        _, live = distiller.gradients(batches.at(step), 0)
        _, cached = distiller.gradients(cache.batches(signals).at(step), 0)
        for name, value in live.items():
            np.testing.assert_allclose(cached[name], value, rtol=2e-3, err_msg=name)


@pytest.mark.slow
def test_another_recipe_reads_the_signals_it_shares(run, tmp_path):
    flags = dict(teacher_cache=tmp_path / "cache")
    run("first", **flags)
    _, output, _ = run("cosine", alpha_ce=0.0, **flags)
    assert "0 rows" not in output and " 64 of 64 rows are there" in output, output
    (folder,) = (tmp_path / "cache").iterdir()
    _, output, _ = run("cooler", temperature=1.0, **flags)
    assert "0 of 64 rows" in output
    assert {file.stem for file in (folder / "mask-0").glob("*.npy")} == {
        "last_hidden_state",
        *(f"token_rows-{t}-{part}" for t in ("1.0", "2.0") for part in ("ids", "logs")),
    }
    run("shorter", length=12, **flags)
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.slow
def test_a_stopped_fill_resumes(run, tmp_path):
    """And its student equals that of a run that was not stopped."""
    write = RowStore.write

    def stopping(patch):
        calls = iter(range(1000))
        patch.setattr("tfdistill.run.teacher_cache.MARK_INTERVAL", 1)

        def write_some(self, rows, entries):
            if next(calls) == 10:  # of three arrays, the fourth time
                raise KeyboardInterrupt
            write(self, rows, entries)

        patch.setattr(RowStore, "write", write_some)

    flags = dict(teacher_cache=tmp_path / "cache")
    error, output, path = run("stopped", patch=stopping, **flags)
    assert isinstance(error, KeyboardInterrupt) and "rows are there" in output
    _, output, path = run("stopped", **flags)
    assert "24 of 64 rows are there" in output
    alone = run("alone", **(flags | dict(teacher_cache=tmp_path / "other")))[2]
    assert same(weights(path), weights(alone))


@pytest.mark.slow
def test_sigint_in_a_fill_loses_no_row(run, tmp_path):
    """The rows of the forward pass in progress are stored, too."""
    write = RowStore.write

    def stopping(patch):
        calls = iter(range(1000))

        def write_and_signal(self, rows, entries):
            if next(calls) == 10:  # of three arrays, the fourth time
                os.kill(os.getpid(), signal.SIGINT)
            write(self, rows, entries)

        patch.setattr(RowStore, "write", write_and_signal)

    flags = dict(teacher_cache=tmp_path / "cache")
    error, _, _ = run("stopped", patch=stopping, **flags)
    assert isinstance(error, Stopped)
    _, output, _ = run("stopped", **flags)
    assert "32 of 64 rows are there" in output


@pytest.mark.slow
def test_another_recipe_does_not_change_stored_arrays(run, tmp_path):
    flags = dict(teacher_cache=tmp_path / "cache")
    run("masked", restrict_ce_to_mask=True, **flags)
    (folder,) = (tmp_path / "cache").iterdir()
    before = {file.name: file.read_bytes() for file in (folder / "mask-0").iterdir()}
    run("all", **flags)
    after = {file.name: file.read_bytes() for file in (folder / "mask-0").iterdir()}
    assert len(after) > len(before) and before == {name: after[name] for name in before}


@pytest.mark.slow
def test_stopped_training_resumes_with_the_cache(run, tmp_path):
    flags = dict(teacher_cache=tmp_path / "cache", cached_mask_epochs=2)
    path = run("stopped", stop_at=("student", 4), **flags)[2]  # after the checkpoint of step 3
    assert not (path / "student").exists()
    # The cache has moved; its place does not matter.
    (tmp_path / "cache").rename(tmp_path / "moved")
    _, output, _ = run("stopped", **(flags | dict(teacher_cache=tmp_path / "moved")))
    assert "64 of 64 rows are there" in output
    alone = run("alone", **(flags | dict(teacher_cache=tmp_path / "other")))[2]
    assert same(weights(path), weights(alone))


@pytest.mark.slow
def test_each_phase_has_the_signals_it_reads(run, tmp_path):
    """The phase of masked LM has none."""
    flags = dict(recipe="hybrid", mlm_share=0.75, teacher_cache=tmp_path / "cache")
    _, output, path = run("hybrid", **flags)
    assert "0 of 16 rows are there" in output and (path / "student").exists()


def test_a_file_in_place_of_the_cache(run, tmp_path):
    (tmp_path / "file").write_text("no folder")
    error, _, path = run("refused", teacher_cache=tmp_path / "file")
    assert f"teacher_cache={tmp_path / 'file'} is a file" in str(error)
    assert not (path / "teacher").exists()


@pytest.mark.slow
def test_a_run_waits_while_another_fills_the_cache(run, tmp_path):
    """A run that finds all signals does not wait."""
    flags = dict(teacher_cache=tmp_path / "cache")
    run("first", **flags)
    (folder,) = (tmp_path / "cache").iterdir()
    held = open(folder / LOCK, "ab")  # noqa: SIM115  (let go when the run says that it waits)
    fcntl.flock(held, fcntl.LOCK_EX)
    say = Console.say

    def release(patch):
        def spy(self, text):
            say(self, text)
            if "waiting" in text:
                held.close()

        patch.setattr(Console, "say", spy)

    _, output, path = run("second", **flags)
    assert "waiting" not in output and (path / "student").exists()
    _, output, path = run("third", temperature=1.0, patch=release, **flags)
    assert held.closed and "another run fills it; waiting" in output and (path / "student").exists()


def test_no_room(run, tmp_path):
    usage = type("Usage", (), {"free": 1000})
    error, _, _ = run(
        "full",
        teacher_cache=tmp_path / "cache",
        patch=lambda patch: patch.setattr("shutil.disk_usage", lambda folder: usage),
    )
    assert "MB, and 0.0 MB are free: free the disk" in str(error)


def test_a_refusal_comes_before_any_work(run, tmp_path):
    error, _, path = run("refused", recipe="minilm", teacher_cache=tmp_path / "cache")
    assert "teacher_cache cannot serve the loss 'relations'" in str(error)
    assert not path.exists() and not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_several_teachers(run, tmp_path):
    flags = dict(teacher="first+second", teacher_weights="3,1")
    error, output, path = run("both", stop_after=None, **flags)
    assert not error and "all teachers" in output
    found = models(path)
    assert found["teachers"]["parameters"] > found["teacher"]["parameters"]
    assert found["teachers"]["loss"] != found["teacher"]["loss"]
    kept = load_model(path / "checkpoints" / "teacher_2")
    assert kept.config.hidden_size == 8
    assert not same(weights(path), weights(run("one")[2]))
    # A cache of both teachers has its own directory.
    cached = dict(flags, teacher_cache=tmp_path / "cache")
    run("cached", **cached)
    run("other", **dict(cached, teacher_weights="1,1"))
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.slow
def test_a_run_resumes_without_the_original_teachers(run, teachers, tmp_path):
    flags = dict(teacher="first+second")
    path = run("stopped", stop_after="teacher", **flags)[2]
    assert not (path / "student").exists()
    aside = teachers["second"].with_name("aside")
    teachers["second"].rename(aside)
    try:
        run("stopped", **flags)
        assert (path / "student").exists()
    finally:
        aside.rename(teachers["second"])


def test_teachers_with_different_vocabularies(run):
    error, _, path = run("foreign", teacher="first+foreign")
    assert "their vocabularies differ" in str(error) and not path.exists()
