"""All commands: their help, and one line for each error."""

import dataclasses
import errno
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tfdistill
from tfdistill.__main__ import COMMANDS
from tfdistill.command_line import flagfile
from tfdistill.command_line.run_config import RunConfig
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.run.directory import RunDirectory
from tfdistill.settings.flagfile import as_text as flagfile_text
from tfdistill.settings.settings import groups_of, options_of

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"tensorflow", "keras", "numpy", "tokenizers", "transformers", "matplotlib"}
OPTIONS = options_of(RunConfig)
MOST_FLAGS = 30  # in the --help of a command


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_text):
    """A teacher, broken teachers, and files that are not text."""
    folder = tmp_path_factory.mktemp("input")
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    shape = EncoderConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=20,
    )
    for name, with_head in {"teacher": True, "headless": False}.items():
        save_model(MaskedLanguageModel(shape, with_head=with_head), folder / name)
        tokenizer.save(folder / name)
    shutil.copytree(folder / "teacher", folder / "truncated")
    shutil.copytree(folder / "teacher", folder / "reordered")
    (folder / "reordered" / "tokenizer.json").unlink()
    tokens = (folder / "teacher" / "vocab.txt").read_text("utf-8").splitlines()
    tokens[-2:] = tokens[:-3:-1]
    (folder / "reordered" / "vocab.txt").write_text("\n".join(tokens) + "\n", "utf-8")
    weights = folder / "truncated" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    other = dataclasses.replace(shape, vocab_size=tokenizer.vocab_size + 300, num_hidden_layers=1)
    (folder / "other.json").write_text(json.dumps(other.to_hugging_face()))
    (folder / "empty.txt").write_text("\n \n")
    (folder / "binary.txt").write_bytes(bytes(range(256)))
    (folder / "latin.txt").write_bytes("Le caf\xe9.\n".encode("latin-1") * 100)
    return folder


# Words of the general help of a flag that are wrong for a command.
NOT_OF = {
    "prepare": {"tokenizer": "teacher"},
    "evaluate": {"tokenizer": "teacher", "teacher": "pre-train"},
    "export": {"tokenizer": "teacher", "model": ".tflite", "force": "Start over"},
    "fill_mask": {"tokenizer": "teacher", "device": "continued"},
    "doctor": {"device": "continued", "precision": "Linux"},
}


def help_of(command, flag):
    """Returns what a command prints for --help and the like; nothing heavy may be imported."""
    words = [sys.executable, "-X", "importtime", "-m", f"tfdistill.{command}", *flag.split()]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "tfdistill.command_line.cli" in imported
    assert not HEAVY & {name.split(".")[0] for name in imported}
    return done.stdout


def flags_in(text):
    """Returns the flags that a help text describes: dict of names to (facts, help)."""
    found = {}
    for part in re.split(r"^  --(?:\[no\])?(?=\w)", text, flags=re.M)[1:]:
        part = " ".join(part.partition("\n\n")[0].split())
        name, facts, words = re.fullmatch(r"(\w+),? ?(\([^)]*\))? ?(.*)", part).groups()
        found[name] = facts or "", words
    return {name: found[name] for name in found if name in OPTIONS}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_flags_and_loads_nothing_heavy(command):
    own = importlib.import_module(f"tfdistill.{command}").COMMAND.setting_names()
    shown = flags_in(help_of(command, "--help"))
    if len(own) <= MOST_FLAGS:
        assert shown.keys() == set(own)
    assert {"task", "output_dir", "recipe", "corpus"} <= shown.keys() or command != "train"
    assert 0 < len(shown) <= MOST_FLAGS and shown.keys() <= set(own)
    for name, (facts, text) in shown.items():
        default = flagfile_text(getattr(RunConfig, name))
        assert not default or f"default {default}" in facts, name
        assert OPTIONS[name].unit in facts
        wrong = NOT_OF.get(command, {}).get(name)
        assert not wrong or wrong not in text, name


def test_help_of_a_group_and_of_everything():
    everything = flags_in(help_of("train", "--helpfull"))
    assert everything.keys() == OPTIONS.keys()
    groups = groups_of(RunConfig)
    for group in ("optimizer", "recipe"):
        text = flags_in(help_of("train", f"--help={group}"))
        assert text.keys() == options_of(groups[group]).keys()
    facts, words = text["layer_map"]
    assert "recipes mobilebert_akt" in facts and "skip for pkd" in words
    assert everything["alpha_ce"][0] == "(default 5.0; at least 0.0; recipes distilbert)"


@pytest.mark.parametrize(
    "flag", ["-h", "--helpshort", "--helpfull", "--version", "--help --gone", "--help=nothing"]
)
def test_flags_that_print_and_end(flag):
    words = [sys.executable, "-m", "tfdistill.prepare", "--corpus=text", *flag.split()]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    if flag == "--help=nothing":
        assert done.returncode == 1 and "no such group: one of" in done.stderr
        return
    assert (done.returncode, done.stderr) == (0, "")
    everything = flag == "--helpfull"
    if flag == "--version":
        assert done.stdout == f"tfdistill {tfdistill.__version__}\n"
    else:
        assert ("--corpus" in done.stdout, "--recipe" in done.stdout) == (True, everything)


def test_the_package_lists_its_commands(tmp_path):
    def run(*words):
        words = [sys.executable, "-X", "importtime", "-m", "tfdistill", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)

    done = run()
    imported = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0 and not HEAVY & imported
    for name in COMMANDS:
        assert f"python -m tfdistill.{name} " in done.stdout
    for name, path in flagfile.bundled().items():
        assert path.read_text().splitlines()[0].removeprefix("# ") in done.stdout, name
        assert f"--flagfile={name} " in done.stdout
    assert str(flagfile.BUNDLED) in done.stdout
    wrong = run("train", "--seed=1")
    assert wrong.returncode == 1 and "error: train: " in wrong.stderr
    assert "python -m tfdistill.train" in wrong.stderr


def fails(capfd, code, *words):
    """Checks that a command ended with a one-line error that contains the words."""
    lines = capfd.readouterr().err.splitlines(keepends=True)
    # The tests' text is very short, so a command may have warned before.
    error = "".join(line for line in lines if not line.startswith("warning: "))
    assert code not in (0, None)
    assert error.startswith("error: ") and error.count("\n") == 1, error
    assert [word for word in words if word not in error] == [], error


def test_evaluate_lists_the_files_it_read(run_command, folder, tiny_text, tmp_path, capfd):
    (tmp_path / "texts").mkdir()
    shutil.copy(tiny_text / "text.txt", tmp_path / "texts" / "train.txt")
    (tmp_path / "texts" / "notes.pdf").write_text("no text")
    words = [f"--corpus={tmp_path / 'texts'}", f"--shards_dir={tmp_path / 'shards'}", "--length=16"]
    assert run_command("evaluate", f"--model={folder / 'teacher'}", *words) == 0
    lines = capfd.readouterr().out.splitlines()
    assert f"train: 1 file in {tmp_path / 'texts'}: train.txt" in lines
    assert f"left out of {tmp_path / 'texts'}: notes.pdf (no suffix of text)" in lines


def test_flags_of_an_older_run(run_command, tmp_path, capfd):
    (tmp_path / "flags.txt").write_text(
        "--corpus=sample\n--data_dir=\n--length=9\n--shards_dir=s\n"
    )
    code = run_command("evaluate", f"--output_dir={tmp_path}")
    fails(capfd, code, "has no student/")


def test_edited_flags_of_a_run(run_command, tmp_path, capfd):
    (tmp_path / "flags.txt").write_text("# mine\n\n--corpus=sample\n--length=long\n")
    code = run_command("evaluate", f"--output_dir={tmp_path}")
    fails(capfd, code, f"{tmp_path}/flags.txt", "--length=long")


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_run_and_text_are_checked_before_tensorflow_is_imported(command, tmp_path):
    (tmp_path / "run" / "student").mkdir(parents=True)
    words = [f"--output_dir={tmp_path / 'run'}", f"--corpus={tmp_path / 'gone.txt'}"]
    words = ["-X", "importtime", "-m", f"tfdistill.{command}", *words]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=ROOT)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and "gone.txt: no such file" in lines[-1]
    imported = {line.split("|")[-1].strip() for line in lines}
    assert not {"tensorflow", "keras"} & imported


def test_a_run_without_sizes_has_no_verdict(run_command, user_folder, tmp_path, capfd):
    """An unfinished run, and a run of an older version."""
    run = tmp_path / "run"
    shutil.copytree(user_folder / "runs" / "mini", run)
    words = [f"--output_dir={run}", f"--corpus={user_folder / 'my_texts'}", "--length=16"]
    words.append(f"--shards_dir={tmp_path / 'shards'}")
    assert run_command("evaluate", *words) == 0
    line = "verdict: not shown: the run "
    assert f"{line}is not finished (no metrics.json)\n" in capfd.readouterr().out
    old = {"models": {"teacher": {"bytes": 5, "latency_ms": 1.0}, "student": {}}}
    (run / "metrics.json").write_text(json.dumps(old))
    assert run_command("evaluate", *words, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["verdict"] == {} and found["conclusion"]["state"] == "not shown"
    assert "knows no sizes and latencies" in found["conclusion"]["text"]


# A wrong flag, added to those of a tiny run, and the words that the error must contain.
WRONG_FLAGS = {
    "unknown flag": (["--alpha_cse=1"], ["alpha_cse", "alpha_ce"]),
    "misspelt value": (["--student_type=distillbert"], ["--student_type=distillbert"]),
    "a teacher that is only read": (
        ["--teacher_type=roberta"],
        ["--teacher_type=roberta", "--teacher,", "mobilebert"],
    ),
    "a student that learns labels alone": (
        ["--student_type=electra", "--student_init=random"],
        ["--student:", "electra", "--task"],
    ),
    "no number": (["--steps=many"], ["--steps=many"]),
    "out of range": (["--layerdrop=1.5"], ["--layerdrop=1.5"]),
    "a word": (["text"], ["'text'"]),
    "no flagfile": (["--flagfile={}/gone.flags"], ["gone.flags"]),
    "recipe": (["--recipe=distillbert"], ["--recipe=distillbert"]),
    "no such stage": (["--stop_after=teachr"], ["--stop_after=teachr", "teacher"]),
    "no corpus": (["--corpus={}/gone.txt"], ["gone.txt"]),
    "empty corpus": (["--corpus={}/empty.txt"], ["corpus empty", "--corpus"]),
    "binary corpus": (["--corpus={}/binary.txt"], ["binary.txt"]),
    "latin-1 corpus": (["--corpus={}/latin.txt"], ["latin.txt", "byte 6"]),
    "no data_dir": (["--corpus=wikitext-2", "--data_dir={}/gone"], ["--data_dir={}/gone"]),
    "deep student": (["--student_config=L-3_H-16_A-2"], ["--student_config", "deeper"]),
    "wide student": (["--student_config=L-1_H-32_A-2"], ["--student_config", "hidden_size"]),
    "no such size": (["--student_config=huge"], ["--student_config", "'huge'"]),
    "depth map": (["--student_init=every"], ["--student_init", "'every'"]),
    "student's vocabulary": (
        ["--student_config={}/other.json"],
        ["--student_config", "other.json"],
    ),
    "tokenizer's vocabulary": (
        ["--teacher={}/teacher", f"--tokenizer={ROOT / 'tfdistill/assets/bert-base-uncased'}"],
        ["--tokenizer", "30522", "--teacher={}/teacher"],
    ),
    "no head": (
        ["--teacher={0}/headless,{0}/headless", "--student_config="],
        ["--teacher={0}/headless", "--recipe=distilbert"],
    ),
    "no head to search with": (
        [
            *("--teacher={0}/headless,{0}/headless", "--alpha_ce=0"),
            *("--student_init=search", "--student_config="),
        ],
        ["--teacher={0}/headless", "--student_init=search"],
    ),
    "truncated": (["--teacher={}/truncated", "--student_config="], ["truncated/model.safetensors"]),
    "no teacher": (["--teacher={}/gone", "--student_config="], ["gone"]),
    "long rows": (["--length=513"], ["--length=513", "512"]),
    "long rows for a loaded teacher": (
        ["--teacher={}/teacher", "--length=21", "--student_config="],
        ["--length=21", "20"],
    ),
    "nothing to freeze": (
        ["--student_type=distilbert", "--freeze_token_type_embds"],
        ["--freeze_token_type_embds"],
    ),
    "random numbers to freeze": (
        ["--student_init=random", "--freeze_pos_embs"],
        ["--freeze_pos_embs"],
    ),
    "nothing to adapt": (["--layerdrop_adapt_steps=2"], ["--layerdrop_adapt_steps", "--teacher"]),
    "no teacher to start from": (
        ["--recipe=mlm", "--student_init=0"],
        ["--student_init=0", "--teacher"],
    ),
    "other tokens, as many": (
        ["--teacher={}/reordered", "--student_config="],
        ["--tokenizer=", "{}/reordered"],
    ),
    "a source that --force would delete": (
        ["--force", "--output_dir={}", "--teacher={}/teacher"],
        ["--force", "--teacher={}/teacher"],
    ),
    "no loss": (["--alpha_ce=0", "--alpha_mlm=0", "--alpha_cos=0"], ["--recipe", "alpha"]),
    "labels without a task": (["--train_data={}/a.csv"], ["--train_data={}/a.csv", "--task"]),
    "folder of something else": (["--output_dir={}"], ["--output_dir={}"]),
    "no folder": (["--output_dir={}/empty.txt/run"], ["{}/empty.txt/run"]),
}


@pytest.mark.parametrize("case", WRONG_FLAGS)
def test_wrong_flags(case, folder, tmp_path, run_command, tiny_flags, capfd):
    wrong, words = WRONG_FLAGS[case]
    flags = tiny_flags(output_dir=tmp_path / "run")
    code = run_command("train", *flags, *(flag.format(folder) for flag in wrong))
    fails(capfd, code, *(word.format(folder) for word in words))


# Errors that are found only after TensorFlow is imported.
LATE = {"no head", "no head to search with", "truncated", "no teacher", "other tokens, as many"}
TRIES = """
import json, sys
from absl import flags
from tfdistill import evaluate, export, train
for name, words in json.load(sys.stdin).items():
    flags.FLAGS = flags.FlagValues()
    command = name.split()[0] if name.split()[0] in ("evaluate", "export") else "train"
    sys.argv = [command, *words]
    try:
        globals()[command].main()
    except SystemExit as end:
        heavy = [name for name in ("tensorflow", "keras", "datasets") if name in sys.modules]
        print(json.dumps([name, end.code, heavy]))
"""


def test_most_wrong_flags_are_refused_before_tensorflow_is_imported(folder, tmp_path, tiny_flags):
    own = tmp_path / "own.py"
    own.write_text("recipe = None\n")
    more = {
        "then": ["--recipe=hybrid", "--then=hybrid"],
        "schedule": ["--schedules=alpha_ce=linear:1"],
        "no number to schedule": ["--schedules=alpha_hidden=linear:1:0"],
        "recipe's file": [f"--recipe={tmp_path / 'gone.py'}:mine"],
        "recipe in its file": [f"--recipe={own}:mine"],
        "config is gone": [f"--teacher_config={tmp_path / 'gone.json'}"],
        "shape of a loaded teacher": [f"--teacher={folder / 'teacher'}"],
        "length of a loaded teacher": [
            *(f"--teacher={folder / 'teacher'}", "--student_config=", "--length=21")
        ],
        "shards in the way": [f"--shards_dir={folder / 'empty.txt'}"],
        "cache in the way": [f"--teacher_cache={folder / 'empty.txt'}"],
        "run in the way": [f"--output_dir={folder / 'empty.txt'}"],
        "no tokenizer": [f"--tokenizer={tmp_path}"],
        "evaluate no text": [f"--model={folder / 'teacher'}", f"--corpus={folder / 'gone.txt'}"],
        "export no text": [f"--model={folder / 'teacher'}", f"--corpus={folder / 'empty.txt'}"],
    }
    more["shape of a loaded teacher"].append("--student_config=L-3_H-16_A-2")
    wrong = {case: words for case, (words, _) in WRONG_FLAGS.items() if case not in LATE} | more
    common = tiny_flags(output_dir=tmp_path / "run")
    cases = {
        case: [*common, *(word.format(folder) for word in words)] for case, words in wrong.items()
    }
    done = subprocess.run(
        [sys.executable, "-c", TRIES],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers == [[case, 1, []] for case in cases], done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("\n") == len(cases), done.stderr
    assert not (tmp_path / "run").exists()


def test_a_failed_start_does_not_fix_the_flags(folder, tmp_path, run_command, tiny_flags, capfd):
    flags = tiny_flags(output_dir=tmp_path / "run")
    fails(capfd, run_command("train", *flags, f"--corpus={folder / 'gone.txt'}"), "gone.txt")
    fails(capfd, run_command("train", *flags, f"--corpus={folder / 'empty.txt'}"), "corpus empty")


WRONG_MODELS = [
    ("evaluate", ["--output_dir={}/none"], ["--output_dir={}/none"]),
    ("evaluate", ["--model={}/headless"], ["--model={}/headless"]),
    ("evaluate", ["--model={}/truncated"], ["truncated/model.safetensors"]),
    ("evaluate", ["--model={}/teacher", "--length=21"], ["--length=21", "--model={}/teacher"]),
    ("evaluate", ["--model={}/teacher", "--corpus={}/empty.txt"], ["--corpus"]),
    ("export", ["--model={}/headless"], ["no head for --task=masked_lm", "sentence_embedding"]),
    ("export", ["--model={}/teacher", "--length=21"], ["--length=21"]),
    ("fill_mask", ["--model={}/headless", "[MASK]"], ["--model={}/headless"]),
    ("fill_mask", ["--model={}/other.json", "[MASK]"], ["other.json"]),
    ("fill_mask", ["--model={}", "[MASK]"], ["{}/config.json", "name the folder of a model"]),
]


@pytest.mark.parametrize("command, wrong, words", WRONG_MODELS)
def test_wrong_models(command, wrong, words, folder, tmp_path, run_command, tiny_flags, capfd):
    flags = tiny_flags(output_dir=tmp_path / "run", tokenizer=None)
    code = run_command(command, *flags, *(flag.format(folder) for flag in wrong))
    fails(capfd, code, *(word.format(folder) for word in words))


def test_different_vocabularies(folder, tmp_path, run_command, tiny_flags, capfd):
    flags = tiny_flags(output_dir=tmp_path, tokenizer=None)
    shape = EncoderConfig(vocab_size=50, hidden_size=16, num_attention_heads=2)
    shape = dataclasses.replace(shape, num_hidden_layers=1, intermediate_size=32)
    save_model(MaskedLanguageModel(shape), tmp_path / "other")
    models = f"--model={folder / 'teacher'}", f"--teacher={tmp_path / 'other'}"
    fails(capfd, run_command("evaluate", *flags, *models), "--tokenizer", "--teacher=", "50")


def test_small_probabilities_are_shown(tmp_path, run_command, capfd):
    """An untrained head gives all 30,522 words about the same probability."""
    tokenizer = load_tokenizer()
    shape = EncoderConfig(hidden_size=16, num_attention_heads=2, intermediate_size=32)
    shape = dataclasses.replace(shape, num_hidden_layers=1, max_position_embeddings=20)
    save_model(MaskedLanguageModel(shape), tmp_path)
    tokenizer.save(tmp_path)
    assert run_command("fill_mask", f"--model={tmp_path}", "The [MASK].") == 0
    *words, note = capfd.readouterr().out.splitlines()
    shown = [float(line.split()[0].removesuffix("%")) for line in words]
    assert shown == pytest.approx([100 / tokenizer.vocab_size] * 5, rel=0.5)
    assert note == "no word reaches 0.1%: the model has not learned to fill [MASK]"


@pytest.mark.slow
def test_errors_of_a_process_are_one_line(folder, tmp_path, tiny_flags):
    """TensorFlow and the hub write nothing to standard error."""
    cases = [
        ("train", ["--teacher=nobody/no-such-model"], "'nobody/no-such-model'"),
        ("evaluate", [f"--model={folder / 'truncated'}"], "truncated/model.safetensors"),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    for command, wrong, word in cases:
        words = [sys.executable, "-m", f"tfdistill.{command}"]
        words += [*tiny_flags(output_dir=tmp_path / "run"), *wrong]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
        assert word in done.stderr


@pytest.mark.slow
def test_a_full_disk(tmp_path, run_command, tiny_flags, capfd):
    """The disk is full while a checkpoint is written, then while the teacher is saved."""
    path = tmp_path / "run"
    flags = tiny_flags(output_dir=path, teacher_config="L-1_H-16_A-2")
    full = errno.ENOSPC, os.strerror(errno.ENOSPC)  # a failed write names no file

    def in_a_checkpoint(monkeypatch):
        real = os.fsync

        def fsync(number):
            if list(path.rglob("step-*.tmp")):
                raise OSError(*full)
            real(number)

        monkeypatch.setattr(os, "fsync", fsync)

    def in_the_teacher(monkeypatch):
        real = Path.write_bytes

        def write_bytes(self, data):
            if self.name == "model.safetensors":
                raise OSError(*full)
            return real(self, data)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)

    checkpoints = path / "checkpoints" / "teacher"
    fails(capfd, run_command("train", *flags, patch=in_a_checkpoint), "step-00000003", "No space")
    assert not list(checkpoints.glob("step-*"))
    fails(capfd, run_command("train", *flags, patch=in_the_teacher), "model.safetensors")
    assert not (path / "teacher").exists()
    assert run_command("train", *flags, patch=in_the_teacher) == 1
    assert "teacher goes on from step 6" in capfd.readouterr().out
    fails(capfd, run_command("train", *flags, "--seed=1"), f"--output_dir={path}", "--seed=0")


def test_force_deletes_nothing_for_wrong_flags(folder, tmp_path, run_command, tiny_flags, capfd):
    path = tmp_path / "run"
    begun = RunDirectory(path, {})
    begun.begin()
    begun.finish("teacher", {"seconds": 1.0})
    (path / "teacher").mkdir()
    flags = [*tiny_flags(output_dir=path), "--force", f"--corpus={folder / 'gone.txt'}"]
    fails(capfd, run_command("train", *flags), "gone.txt")
    assert (path / "teacher").is_dir() and RunDirectory(path, {}).done("teacher")


def test_a_closed_standard_output(tiny_flags):
    words = [sys.executable, "-m", "tfdistill.prepare", *tiny_flags()]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    process.stdout.close()
    with process.stderr as stream:
        assert stream.read() == b""
    assert process.wait() == 1
