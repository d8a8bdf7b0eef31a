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
from tfdistill.data.batches import Rows, TrainingBatches
from tfdistill.data.row_store import RowStore
from tfdistill.data.shards import Shard
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.signals import TOKEN_ROWS, CachedStates, CachedTopK
from tfdistill.distillation.teachers import Teachers
from tfdistill.models.hugging_face.checkpoint import load_model, save_model
from tfdistill.run.teacher_cache import LOCK, TeacherCache
from tfdistill.system.stopping import HANDLED
from tfdistill.training.checkpoints import StageState


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
def train(tiny_flags, run_command, teachers, tmp_path, capsys):
    """A function of a run's name and flags to (exit code, what it printed, its folder).

    It ends when its student is trained, with the code of a stop, unless `results` are asked for.
    """

    def train(name, teacher="first", patch=None, results=False, **flags):
        named = ",".join(str(teachers[each]) for each in teacher.split("+"))
        path = tmp_path / name

        def patched(monkeypatch):
            if not results:
                monkeypatch.setattr("tfdistill.run.stages.evaluate.Evaluate.run", interrupt)
            if patch:
                patch(monkeypatch)

        flags = dict(teacher=named, tokenizer=None) | flags
        code = run_command("train", *tiny_flags(output_dir=path, **flags), patch=patched)
        out = capsys.readouterr()
        return code, out.out + out.err, path

    return train


def interrupt(*_):
    raise KeyboardInterrupt


def weights(path):
    return load_file(path / "student" / "model.safetensors")


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one | other)


def models(path):
    return json.loads((path / "metrics.json").read_text())["models"]


def test_a_second_seed_reads_the_cache_of_the_first(train, tmp_path):
    flags = dict(teacher_cache=tmp_path / "cache", n_epoch=1, steps=None, batch_size=64)
    code, said, first = train("first", **flags)
    assert " 0 of" in said and "bytes a token" in said, said
    (folder,) = (tmp_path / "cache").iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["length"] == 16 and len(manifest["teachers"]) == 1
    rows = len(np.load(folder / "mask-0" / "last_hidden_state.npy", mmap_mode="r"))
    kept = {file.name: file.read_bytes() for file in (folder / "mask-0").iterdir()}
    _, said, second = train("second", seed=5, **flags)
    assert f"{rows:,} of {rows:,} rows are there" in said, said
    assert kept == {file.name: file.read_bytes() for file in (folder / "mask-0").iterdir()}
    assert not same(weights(first), weights(second))


def test_a_batch_has_the_cached_signals_of_its_rows_and_masks(tmp_path, tiny_model, tiny_text):
    """Over two epochs with their own masks: losses with the cache equal those with the teacher.

    The cache holds 199 of 200 tokens, so that only rounding to float16 is lost.
    """
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    lines = (tiny_text / "text.txt").read_text("utf-8").splitlines()
    ids = np.concatenate([ids for ids in tokenizer.encode_lines(lines) if ids])[:100]
    counts = np.bincount(ids, minlength=tokenizer.vocab_size)
    shard = Shard(ids.astype(np.uint16), np.zeros(1, np.int64), counts)
    batches = TrainingBatches(Rows(shard, 12, tokenizer), 4, seed=7, mask_epochs=2)
    teacher, student = (tiny_model(seed, vocab_size=tokenizer.vocab_size) for seed in (1, 2))
    signals = [
        CachedStates("last_hidden_state"),
        CachedTopK(TOKEN_ROWS, 2.0, most=tokenizer.vocab_size - 1),
    ]
    cache = TeacherCache(tmp_path, batches, Teachers([teacher]), tokenizer.vocab_size)
    cache.fill([(signals, 0, 5)], Console())
    distiller = Distiller(student, recipes.get("distilbert").phases[0], teacher)
    for step in range(5):
        _, live = distiller.gradients(batches.at(step), 0)
        _, cached = distiller.gradients(cache.batches(signals).at(step), 0)
        for name, value in live.items():
            np.testing.assert_allclose(cached[name], value, rtol=2e-3, err_msg=name)


def test_another_recipe_reads_the_signals_it_shares(train, tmp_path):
    flags = dict(teacher_cache=tmp_path / "cache")
    train("first", **flags)
    _, said, _ = train("cosine", alpha_ce=0.0, **flags)
    assert "0 rows" not in said and " 64 of 64 rows are there" in said, said
    (folder,) = (tmp_path / "cache").iterdir()
    _, said, _ = train("cooler", temperature=1.0, **flags)
    assert "0 of 64 rows" in said
    assert {file.stem for file in (folder / "mask-0").glob("*.npy")} == {
        "last_hidden_state",
        *(f"token_rows-{t}-{part}" for t in ("1.0", "2.0") for part in ("ids", "logs")),
    }
    train("shorter", length=12, **flags)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_stopped_fill_resumes(train, tmp_path):
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
    code, said, path = train("stopped", patch=stopping, **flags)
    assert code and "rows are there" in said
    _, said, path = train("stopped", **flags)
    assert "24 of 64 rows are there" in said
    alone = train("alone", **(flags | dict(teacher_cache=tmp_path / "other")))[2]
    assert same(weights(path), weights(alone))


def test_sigint_in_a_fill_loses_no_row(train, tmp_path):
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
    before = {signum: signal.getsignal(signum) for signum in HANDLED}
    try:
        code, said, _ = train("stopped", patch=stopping, **flags)
    finally:  # a command that was stopped leaves them to the system
        for signum, handler in before.items():
            signal.signal(signum, handler)
    assert code == 130 and "stopped; the same command goes on after what is done: " in said
    _, said, _ = train("stopped", **flags)
    assert "32 of 64 rows are there" in said


def test_another_recipe_does_not_change_stored_arrays(train, tmp_path):
    flags = dict(teacher_cache=tmp_path / "cache")
    train("masked", restrict_ce_to_mask=True, **flags)
    (folder,) = (tmp_path / "cache").iterdir()
    before = {file.name: file.read_bytes() for file in (folder / "mask-0").iterdir()}
    train("all", **flags)
    after = {file.name: file.read_bytes() for file in (folder / "mask-0").iterdir()}
    assert len(after) > len(before) and before == {name: after[name] for name in before}


def test_stopped_training_resumes_with_the_cache(train, tmp_path):
    def stopping(patch):
        save = StageState.save

        def save_and_stop(self, *args):
            save(self, *args)
            raise KeyboardInterrupt

        patch.setattr(StageState, "save", save_and_stop)

    flags = dict(teacher_cache=tmp_path / "cache", cached_mask_epochs=2)
    path = train("stopped", patch=stopping, **flags)[2]
    assert not (path / "student").exists()
    # The cache has moved; its place does not matter.
    (tmp_path / "cache").rename(tmp_path / "moved")
    _, said, _ = train("stopped", **(flags | dict(teacher_cache=tmp_path / "moved")))
    assert "64 of 64 rows are there" in said
    alone = train("alone", **(flags | dict(teacher_cache=tmp_path / "other")))[2]
    assert same(weights(path), weights(alone))


def test_each_phase_has_the_signals_it_reads(train, tmp_path):
    """The phase of masked LM has none."""
    flags = dict(recipe="hybrid", mlm_share=0.75, teacher_cache=tmp_path / "cache")
    _, said, path = train("hybrid", **flags)
    assert "0 of 16 rows are there" in said and (path / "student").exists()


def test_a_file_in_place_of_the_cache(train, tmp_path):
    (tmp_path / "file").write_text("no folder")
    code, said, path = train("refused", teacher_cache=tmp_path / "file")
    assert code and f"--teacher_cache={tmp_path / 'file'} is a file" in said
    assert not (path / "teacher").exists()


@pytest.mark.slow
def test_a_run_waits_while_another_fills_the_cache(train, tmp_path):
    """A run that finds all signals does not wait."""
    flags = dict(teacher_cache=tmp_path / "cache")
    train("first", **flags)
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

    _, said, path = train("second", **flags)
    assert "waiting" not in said and (path / "student").exists()
    _, said, path = train("third", temperature=1.0, patch=release, **flags)
    assert held.closed and "another run fills it; waiting" in said and (path / "student").exists()


def test_no_room(train, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    code, said, path = train(
        "full",
        teacher_cache=tmp_path / "cache",
        patch=lambda patch: patch.setattr("shutil.disk_usage", lambda folder: usage),
    )
    assert code and "GB, and 0.0 GB are free" in said and "Traceback" not in said


def test_a_refusal_comes_before_any_work(train, tmp_path):
    code, said, path = train("refused", recipe="minilm", teacher_cache=tmp_path / "cache")
    assert code and "--teacher_cache cannot serve the loss 'relations'" in said
    assert not path.exists() and not (tmp_path / "cache").exists()


def test_several_teachers(train, tmp_path):
    flags = dict(teacher="first+second", teacher_weights="3,1")
    code, said, path = train("both", results=True, **flags)
    assert not code and "all teachers" in said
    found = models(path)
    assert found["teachers"]["parameters"] > found["teacher"]["parameters"]
    assert found["teachers"]["loss"] != found["teacher"]["loss"]
    kept = load_model(path / "checkpoints" / "teacher_2")
    assert kept.config.hidden_size == 8
    assert not same(weights(path), weights(train("one")[2]))
    # A cache of both teachers has its own directory.
    cached = dict(flags, teacher_cache=tmp_path / "cache")
    train("cached", **cached)
    train("other", **dict(cached, teacher_weights="1,1"))
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_run_resumes_without_the_original_teachers(train, teachers, tmp_path):
    def stop(patch):
        patch.setattr("tfdistill.run.stages.start.Start.run", interrupt)

    flags = dict(teacher="first+second")
    path = train("stopped", patch=stop, **flags)[2]
    assert not (path / "student").exists()
    aside = teachers["second"].with_name("aside")
    teachers["second"].rename(aside)
    try:
        train("stopped", **flags)
        assert (path / "student").exists()
    finally:
        aside.rename(teachers["second"])


def test_teachers_with_different_vocabularies(train):
    code, said, path = train("foreign", teacher="first+foreign")
    assert code and "their vocabularies differ" in said and not path.exists()
