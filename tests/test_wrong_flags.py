"""Every flag of every command with wrong values: one line that names it and says what to do."""

import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_SECONDS = 2
CURE = re.compile(
    r"\b(choose|give|name|use|set|leave|correct|delete|convert|rename|make|repeat|see|are|as)\b"
)
# Any text is right: names of columns, which the file decides, texts, and words to time.
ANY_TEXT = {
    *("text_column", "text_pair_column", "label_column", "tag_column", "tokens"),
    *("text", "second_text", "question", "context"),
}
# Not wrong where the command does not need it: folders that --model or --super replace, and a list
# of layers or weights that only the models can contradict.
NOT_READ = {
    *(("evaluate", "output_dir"), ("search", "output_dir"), ("benchmark", "output_dir")),
    *(("benchmark", "shards_dir"), ("benchmark", "table_largest")),
    *(("train", "layer_map"), ("train", "teacher_weights"), ("predict", "part")),
}


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    words = [sys.executable, str(ROOT / "tests" / "walk_flags.py")]
    words.append(str(tmp_path_factory.mktemp("walk")))
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_one_line_names_the_flag_and_the_cure(walked):
    wrong = []
    for command, name, value, code, lines, says_unused, _ in walked:
        if name in ANY_TEXT or says_unused:
            continue
        message = " ".join(lines)
        right = code == 1 and len(lines) == 1 and "\n" not in lines[0]
        right = right and message.startswith("error: ") and f"--{name}" in message
        if not (right and CURE.search(message)) and (command, name) not in NOT_READ:
            wrong.append((command, name, value, code, message))
    assert not wrong
    assert len(walked) > 800


def test_wrong_values_are_found_at_once(walked):
    assert [case for case in walked if case[-1] > MOST_SECONDS] == []


def _seconds():
    """CPU time of ended child processes: other work on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_real_processes(tmp_path):
    for words in (
        ["train", "--steps=abc"],
        ["predict", f"--model={tmp_path / 'gone'}", "Text."],
        ["train", "--" + "recipe" * 200],
    ):
        before = _seconds()
        command = [sys.executable, "-m", f"tfdistill.{words[0]}", *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("error: ") and done.stdout == ""
        assert _seconds() - before < MOST_SECONDS


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--steps=x"], "--steps=x is not a whole number: give a whole number, at least 0"),
        (["--steps=-1"], "--steps=-1 is out of range: give a whole number, at least 0"),
        (["--learning_rate=inf"], "--learning_rate=inf is no finite number: give another"),
        (["--device=tpu"], "--device=tpu: choose one of auto, cpu, gpu"),
        (["--nsp=maybe"], "--nsp=maybe is not true or false: give true or false"),
        (["--then=gone"], "--then=gone is unknown: choose one of "),
        (["--student=a/b/c"], "--student: no such directory: a/b/c: give a Hugging Face directory"),
        (["--word_vectors=gone"], "--word_vectors=gone: no such file"),
        (["--data_dir=gone"], "--data_dir=gone: no such folder"),
        (["--stop_after=lunch"], "--stop_after=lunch: no such stage"),
        # Contradictions:
        (["--alpha_nsp=1"], "--alpha_nsp compares logits of pairs of segments: set --nsp, too"),
        (["--tflite_lengths=999"], "999 is not from 3 to --length=128: leave it out"),
        (["--augmentation=tinybert"], "not the examples of --task=masked_lm: leave it out"),
        (["--train_data=x"], "--task=masked_lm reads a corpus: set --task"),
        (["--teacher_type=electra"], "such teachers are not pre-trained here: name a folder"),
        (["--schedules=alpha_ce=linear:5:-1"], "alpha_ce cannot be -1.0: --alpha_ce goes from 0.0"),
        (
            ["--task=sentence_embedding", "--baseline=text"],
            "--baseline=text: --task=sentence_embed",
        ),
    ],
)
def test_messages(flags, error, run_command, tmp_path, capfd):
    assert run_command("train", f"--output_dir={tmp_path / 'run'}", *flags) == 1
    assert error in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_value_that_is_given_twice(run_command, capfd):
    assert run_command("compare", "--runs=a", "b") == 1
    assert (
        "--runs is given as a flag and as a word: leave one of them out" in capfd.readouterr().err
    )
