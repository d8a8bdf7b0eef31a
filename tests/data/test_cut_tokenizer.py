"""Vocabularies cut to the most frequent pieces of some texts."""

import collections
import json

import pytest
import tokenizers

from tfdistill.data.cut_tokenizer import cut_tokenizer
from tfdistill.data.text_tokenizer import HIDDEN, load_text_tokenizer
from tfdistill.system.errors import UserError

TEXTS = ["The whale swam.", "the whale, the sea and the unbelievable Ahab", "a sea of whales"] * 3
SPECIAL = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()


@pytest.fixture(scope="module")
def whole():
    return load_text_tokenizer("")


def tokens_of(tokenizer):
    return [tokenizer.id_to_token(i) for i in range(tokenizer.vocab_size)]


def test_the_most_frequent_pieces_stay_in_their_order(whole):
    cut = cut_tokenizer(whole, TEXTS, 4)
    pipeline, counts = whole.text_pipeline(), collections.Counter()
    for text in TEXTS:
        counts.update(pipeline.encode(text, add_special_tokens=False).tokens)
    long = [piece for piece in counts if len(piece.removeprefix("##")) > 1]
    order = tokens_of(whole)
    best = sorted(long, key=lambda piece: (-counts[piece], order.index(piece)))[:4]
    single = [token for token in order if len(token.removeprefix("##")) == 1]
    assert set(tokens_of(cut)) == {*SPECIAL, *single, *best}
    places = list(map(order.index, tokens_of(cut)))
    assert places == sorted(places) and cut.pad_id == 0


def test_kept_words_have_their_tokens_and_others_are_spelt(whole):
    cut = cut_tokenizer(whole, TEXTS, 4)
    found = cut.text_pipeline().encode("The whale dived", "sea").tokens
    assert found == "[CLS] the whale d ##i ##v ##e ##d [SEP] sea [SEP]".split()
    text = " ".join(TEXTS)
    assert "[UNK]" not in cut.text_pipeline().encode(text).tokens
    everything = cut_tokenizer(whole, TEXTS, 100)
    first = [t for t in tokens_of(whole) if len(t.removeprefix("##")) > 1 and t[0] != "["][:50]
    assert set(first) <= set(tokens_of(everything))  # fills up what the texts lack
    assert not any(token.startswith("[unused") for token in tokens_of(everything))
    for text in TEXTS:
        one, other = (each.text_pipeline().encode(text, "a sea") for each in (whole, everything))
        assert (one.tokens, one.type_ids) == (other.tokens, other.type_ids)


def test_a_cut_tokenizer_is_saved_as_any_other(whole, tmp_path):
    cut = cut_tokenizer(whole, TEXTS, 4)
    cut.save(tmp_path, max_length=32)
    again = load_text_tokenizer(str(tmp_path))
    assert again.text_hash == cut.text_hash and again.max_length == 32
    assert (tmp_path / "vocab.txt").read_text("utf-8").split("\n")[:-1] == tokens_of(cut)
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert theirs(text, "sea")["input_ids"] == cut.text_pipeline().encode(text, "sea").ids


def test_hidden_words_are_the_mask_token(whole):
    """Also in sentences of words; the name of the token in a text is no such word."""
    cut = cut_tokenizer(whole, TEXTS, 4)
    for tokenizer in (whole, cut):
        pipeline = tokenizer.with_hidden_words().text_pipeline()
        (mask,) = (i for i in range(tokenizer.vocab_size) if tokenizer.id_to_token(i) == "[MASK]")
        plain = tokenizer.text_pipeline().encode("The whale, [MASK]").ids
        assert pipeline.encode("The whale, [MASK]").ids == plain and mask not in plain
        ids = pipeline.encode(f"The {HIDDEN}, [MASK]").ids
        assert ids == [*plain[:2], mask, *plain[3:]]
        words = pipeline.encode(["the", HIDDEN, "sea"], is_pretokenized=True)
        assert words.ids[2] == mask and words.word_ids == [None, 0, 1, 2, None]
        assert mask not in tokenizer.text_pipeline().encode(f"The {HIDDEN}.").ids


def test_other_vocabularies_are_refused(tmp_path):
    backend = tokenizers.Tokenizer(tokenizers.models.BPE({"<s>": 0, "</s>": 1, "<pad>": 2}, []))
    backend.add_special_tokens(["<s>", "</s>", "<pad>"])
    backend.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    backend.save(str(tmp_path / "tokenizer.json"))
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>"}
    names |= {"cls_token": "<s>", "sep_token": "</s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(names))
    tokenizer = load_text_tokenizer(str(tmp_path))
    with pytest.raises(UserError, match="only vocabularies of BERT's kind"):
        cut_tokenizer(tokenizer, ["a"], 3)
    with pytest.raises(UserError, match="mask token, which a tokenizer of the run lacks"):
        tokenizer.with_hidden_words()
