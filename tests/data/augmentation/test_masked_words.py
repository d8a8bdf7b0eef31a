"""Rows for a masked LM that proposes words."""

import numpy as np

from tfdistill.data.augmentation.masked_words import hidden_words, masked_batch, whole_words
from tfdistill.data.augmentation.places import places_in


def test_words_of_one_token_are_hidden(tiny_tokenizer):
    """Also those with capitals; a word of several pieces is left to word vectors."""
    text = "The Rabbit found a zzrabbit, rabbit."
    (found,) = hidden_words([text], [places_in(text)], tiny_tokenizer)
    tokens = [word and tiny_tokenizer.id_to_token(word.tokens[word.place]) for word in found]
    assert tokens == ["rabbit", "found", None, "rabbit"]


def test_a_row_is_the_masked_text_and_the_text(tiny_tokenizer):
    text = "the rabbit of the rabbit"
    (words,) = hidden_words([text], [places_in(text)], tiny_tokenizer)
    (ids,) = tiny_tokenizer.encode_lines([text])
    batch = masked_batch(words, tiny_tokenizer, longest=64)
    t, size = tiny_tokenizer, 2 * len(ids) + 3
    for row, word in enumerate(words):
        masked = [*ids[: word.place], t.mask_id, *ids[word.place + 1 :]]
        expected = [t.cls_id, *masked, t.sep_id, *ids, t.sep_id]
        assert batch["input_ids"][row].tolist() == expected + [t.pad_id] * (16 - size)
        assert batch["attention_mask"][row].sum() == size
        types = [0] * (len(ids) + 2) + [1] * (len(ids) + 1) + [0] * (16 - size)
        assert batch["token_type_ids"][row].tolist() == types
        assert batch["input_ids"][row, batch["masked_positions"][row, 0]] == t.mask_id
        assert batch["own"][row, 0] == ids[word.place]
    assert [word.place for word in words] == [1, 4]


def test_a_long_text_is_cut_around_its_word(tiny_tokenizer):
    text = "rabbit " + "the " * 40 + "rabbit " + "of " * 40 + "rabbit"
    (words,) = hidden_words([text], [places_in(text)], tiny_tokenizer)
    batch = masked_batch(words, tiny_tokenizer, longest=24)
    assert batch["input_ids"].shape == (3, 24)
    rows = np.arange(3)
    assert (
        batch["input_ids"][rows, batch["masked_positions"][:, 0]] == tiny_tokenizer.mask_id
    ).all()
    room, own = (24 - 3) // 2, batch["own"][:, 0]
    # The word itself stands in the second text, as far behind.
    second = batch["masked_positions"][:, 0] + room + 1
    assert (batch["input_ids"][rows, second] == own).all()


def test_whole_words(tiny_tokenizer):
    found = {tiny_tokenizer.id_to_token(i) for i in np.flatnonzero(whole_words(tiny_tokenizer))}
    assert {"rabbit", "the", "a"} <= found
    assert not any(not token.isalpha() for token in found)
