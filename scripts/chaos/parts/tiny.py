"""Runs of seconds: a piece of the bundled text, a vocabulary of its words, the smallest models."""

import collections
import re
import subprocess
import sys

from promise import ROOT

SAMPLE = ROOT / "tfdistill" / "assets" / "sample" / "train.txt"
VOCABULARY = 200  # entries
SHAPES = {"teacher_config": "L-2_H-16_A-2", "student_config": "L-1_H-16_A-2"}


def write_text(folder, characters=40_000):
    """Writes text.txt, the beginning of the bundled text, and vocabulary/, its commonest words.

    Args:
        folder: `Path` to write to.
        characters: length of the text.
    """
    text = SAMPLE.read_text("utf-8")[:characters]
    (folder / "text.txt").write_text(text, "utf-8")
    words = collections.Counter(re.findall(r"[a-z]+|[^\sa-z]", text.lower()))
    letters = sorted({letter for word in words for letter in word})
    tokens = "[PAD] [UNK] [CLS] [SEP] [MASK]".split() + letters
    tokens += [f"##{letter}" for letter in letters if letter.isalpha()]
    tokens += [word for word, _ in words.most_common() if len(word) > 1]
    (folder / "vocabulary").mkdir(exist_ok=True)
    vocabulary = "".join(f"{token}\n" for token in tokens[:VOCABULARY])
    (folder / "vocabulary" / "vocab.txt").write_text(vocabulary, "utf-8")


def text_flags(folder, **changes):
    """Flags of a run on the text of `write_text`: a list of words.

    Args:
        folder: `Path` of that text; its shards lie there, too.
        **changes: other or further flags; None leaves one out.
    """
    flags = {
        "corpus": folder / "text.txt",
        "tokenizer": folder / "vocabulary",
        "shards_dir": folder / "shards",
        "length": 16,
        "batch_size": 8,
        **SHAPES,
        "teacher_steps": 8,
        "steps": 8,
        "log_interval": 2,
        "checkpoint_interval": 3,
        "validation_interval": 4,
        "precision": "float32",
    }
    flags |= changes
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


def start(command, flags, output):
    """Starts a command in a process of its own.

    Args:
        command: its name, such as "train".
        flags: list of words.
        output: open file for both of its streams.

    Returns:
        `subprocess.Popen`.
    """
    words = [sys.executable, "-m", f"tfdistill.{command}", *flags]
    return subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
