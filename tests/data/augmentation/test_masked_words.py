"""Rows for a masked LM that proposes words."""

import json

import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from tfdistill.data.augmentation.masked_words import hidden_words, masked_batch, words_of
from tfdistill.data.augmentation.places import places_in
from tfdistill.data.tokenizer import load_mask_tokenizer


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
    words, proposed = words_of(tiny_tokenizer)
    found = {words[i] for i in np.flatnonzero(proposed)}
    assert {"rabbit", "the", "a"} <= found
    assert not any(not word.isalpha() for word in found)


@pytest.mark.parametrize("kind", ["bytes", "unigram"])
def test_words_of_other_vocabularies_have_a_blank_before_them(
    kind, write_bytes, tmp_path, tiny_text
):
    """The first word of a text has none in RoBERTa's: it is hidden, and its token not proposed."""
    text = (tiny_text / "text.txt").read_text("utf-8") + "\nAlice" * 500
    if kind == "bytes":
        write_bytes(tmp_path, text, size=600)
    else:
        write_unigram(tmp_path, text)
    tokenizer = load_mask_tokenizer(str(tmp_path))
    words, proposed = words_of(tokenizer)
    found = [tokenizer.id_to_token(i) for i in np.flatnonzero(proposed)]
    assert len(found) > 20 and all(token[0] in "Ġ▁" for token in found)
    assert "Alice" in {words[i] for i in np.flatnonzero(proposed)}
    text = "Alice said, Alice! zzqAlice"
    (hidden,) = hidden_words([text], [places_in(text)], tokenizer)
    assert [word and words[word.tokens[word.place]] for word in hidden] == [
        *("Alice", "said", "Alice", None)
    ]
    batch = masked_batch(hidden[:1], tokenizer, longest=64)
    (row,) = batch["input_ids"]
    between = {"bytes": 2, "unigram": 1}[kind]
    tokens = list(hidden[0].tokens)
    ids = [tokenizer.cls_id, tokenizer.mask_id, *tokens[1:], *[tokenizer.sep_id] * between]
    assert row[: batch["attention_mask"].sum()].tolist() == [*ids, *tokens, tokenizer.sep_id]


def write_unigram(folder, text):
    """A tokenizer of DeBERTa's kind, trained on a text, of 600 tokens."""
    roles = dict(cls="[CLS]", pad="[PAD]", sep="[SEP]", unk="[UNK]", mask="[MASK]")
    made = tokenizers.Tokenizer(models.Unigram())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    options = dict(vocab_size=600, special_tokens=list(roles.values()), show_progress=False)
    trainer = trainers.UnigramTrainer(unk_token=roles["unk"], **options)
    made.train_from_iterator(text.splitlines(), trainer)
    made.save(str(folder / "tokenizer.json"))
    settings = {f"{role}_token": token for role, token in roles.items()}
    settings["tokenizer_class"] = "DebertaV2Tokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
