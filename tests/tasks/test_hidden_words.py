"""Held-out texts with a hidden word."""

import numpy as np
import pytest

from tfdistill.tasks.hidden_words import example_texts
from tfdistill.tasks.task import EXAMPLES


@pytest.mark.parametrize("length", [12, 32])
def test_examples_hide_one_whole_word_of_a_held_out_text(tiny_tokenizer, tiny_rows, length):
    rows = tiny_rows(4000, length)
    found = example_texts(tiny_tokenizer, rows)
    assert len(found) >= EXAMPLES - 1
    texts = {tiny_tokenizer.decode(row[1:-1]) for row in rows.gather(np.arange(len(rows)))}
    for text, truth in found:
        assert text.count("[MASK]") == 1 and not text.startswith("##")
        assert truth.isalpha() and len(truth) > 3
        assert any(text.replace("[MASK]", truth) in whole for whole in texts)
        before, after = text.split("[MASK]")
        assert before.strip() and after.strip() and not after.startswith("##")
        # A token of its own, so that one [MASK] can stand for it.
        (ids,) = tiny_tokenizer.encode_lines([truth])
        assert [tiny_tokenizer.id_to_token(i) for i in ids] == [truth]


def test_examples_are_spread_over_the_split(tiny_tokenizer, tiny_rows):
    rows = tiny_rows(4000)
    texts = [tiny_tokenizer.decode(row[1:-1]) for row in rows.gather(np.arange(len(rows)))]
    places = []
    for text, truth in example_texts(tiny_tokenizer, rows):
        places += [i for i, whole in enumerate(texts) if text.replace("[MASK]", truth) in whole][:1]
    assert places == sorted(set(places)) and len(places) == EXAMPLES
    assert places[0] < len(rows) / 3 and places[-1] > len(rows) / 2


def test_a_small_split_gives_no_example_twice(tiny_tokenizer, tiny_rows):
    found = example_texts(tiny_tokenizer, tiny_rows(150))
    assert 0 < len(found) <= 5
    assert len({text for text, _ in found}) == len(found)


@pytest.mark.parametrize("tokens", [1, 3])
def test_a_split_too_short_for_examples(tiny_tokenizer, tiny_rows, tokens):
    assert example_texts(tiny_tokenizer, tiny_rows(tokens)) == []
