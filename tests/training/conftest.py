"""Rows of real text over a small vocabulary."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_rows(tiny_text):
    """A function of a first token, a number of tokens and a length to `Rows` of the tiny text."""
    from tfdistill.data.rows import Rows
    from tfdistill.data.shards import Shard
    from tfdistill.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    lines = (tiny_text / "text.txt").read_text("utf-8").splitlines()
    stream = np.concatenate([ids for ids in tokenizer.encode_lines(lines) if ids])

    def make(first, tokens, length=12):
        part = stream[first : first + tokens].astype(np.uint16)
        assert len(part) == tokens
        counts = np.bincount(part, minlength=tokenizer.vocab_size)
        return Rows(Shard(part, np.zeros(1, np.int64), counts), length, tokenizer)

    return make
