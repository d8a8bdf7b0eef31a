"""Real text over a vocabulary of letters, small enough for tiny models."""

import string
from pathlib import Path

import numpy as np
import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "tfdistill" / "assets" / "sample"


@pytest.fixture(scope="session")
def letters(tmp_path_factory):
    """A tokenizer of 57 tokens: BERT's special ones, and letters at the start of words and not."""
    from tfdistill.data.tokenizer import load_tokenizer

    folder = tmp_path_factory.mktemp("letters")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    return load_tokenizer(str(folder))


@pytest.fixture(scope="session")
def make_rows(letters):
    """A function of a split, a length and a number of tokens to `Rows` of the bundled text."""
    from tfdistill.data.batches import Rows
    from tfdistill.data.shards import Shard

    def make(split="train", length=12, tokens=2000):
        lines = (SAMPLE / f"{split}.txt").read_text("utf-8").splitlines()[:200]
        stream = np.concatenate([ids for ids in letters.encode_lines(lines) if ids])[:tokens]
        counts = np.bincount(stream, minlength=letters.vocab_size)
        return Rows(Shard(stream.astype(np.uint16), np.zeros(1, np.int64), counts), length, letters)

    return make
