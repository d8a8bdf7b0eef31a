"""tensorflow-text gives the same ids as `tokenizers` for all lines that it tokenises."""

import json
import sys

import numpy as np
import pytest

from tfdistill.data import tokenizer as tokenizer_module
from tfdistill.data.corpus import open_corpus
from tfdistill.data.shards import prepare
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.data.wordpiece import (
    FastWordPiece,
    compared,
    fast_wordpiece,
    installed_versions,
    splits_like_bert,
)

pytest.importorskip("tensorflow_text")
pytestmark = pytest.mark.tf218

BITS = [
    *(
        "the whale",
        "Über",
        "naïve",
        "Ångström",
        "ÉCOLE",
        "don't",
        "e-mail",
        "1,000.5",
        "",
        " ",
        "a",
    ),
    *(
        "東京",
        "漢字かな",
        "한국어",
        "ελληνικά",
        "ΣΊΣΥΦΟΣ",
        "кириллица",
        "ÐÞß",
        "İstanbul",
        "ǅ",
        "ﬁn",
    ),
    *("µ", "²", "½", "…", "″", "ª", "№", "Ⅷ", "℃", "ẛ̣", "e\u0301", "a\u0323\u0301", "\u0301"),
    *("🙂", "👩‍👩‍👧", "🇩🇪", "☃", "→", "±", "€", "–", "—", "“x”", "«»", "…", "¿", "،", "।", "、"),
    *("\x00", "\x07", "\x1f", "\x7f", "\x85", "\u200b", "\u200d", "\ufeff", "\ufffd", "\u2028"),
    *("\t", "\u00a0", "\u3000", "\u00ad", "\ue000", "\U000e0041", "\U0001d400", "\ud7b0", "\u0e33"),
    *(
        "[UNK]",
        "[MASK]",
        "[unk]",
        "x[UNK]y",
        "##ing",
        "[",
        "_",
        "$",
        "^",
        "`",
        "a" * 100,
        "a" * 101,
    ),
    *(
        "é" * 25,
        "é" * 26,
        "é" * 60,
        "字" * 40,
        "x" * 26 + "é",
        "한" * 12,
        "한" * 30,
        "!" * 120,
        "supercalifragilistic",
    ),
]


@pytest.fixture(scope="module", params=["bundled", "cased"])
def pair(request, tmp_path_factory):
    """(a tokenizer, its `FastWordPiece`)."""
    if request.param == "bundled":
        tokenizer = load_tokenizer()
    else:
        source = request.getfixturevalue("shared_data") / "bert-base-cased" / "vocab.txt"
        folder = tmp_path_factory.mktemp("cased")
        (folder / "vocab.txt").write_bytes(source.read_bytes())
        (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
        tokenizer = load_tokenizer(str(folder))
    return tokenizer, fast_wordpiece(tokenizer.text_state)


def both(tokenizer):
    """The encoder of a large corpus."""
    encode = tokenizer.corpus_encoder(10**9)
    assert encode is not tokenizer.encode_flat
    return encode


def assert_same(encode, tokenizer, lines):
    ids, lengths = encode(lines)
    expected = tokenizer.encode_lines(lines)
    assert ids.dtype == np.int32 and lengths.tolist() == list(map(len, expected))
    np.testing.assert_array_equal(ids, [i for line in expected for i in line])


def test_single_bits(pair):
    assert_same(both(pair[0]), pair[0], BITS)
    alike = dict(zip(BITS, pair[1].alike(BITS), strict=True))
    assert alike["the whale"] and alike["don't"] and alike["東京"] and alike["[UNK]"] and alike[""]
    assert alike["a" * 100] and not alike["a" * 101] and not alike["é" * 26]
    assert not alike["\x07"] and not alike["e\u0301"] and not alike["\ue000"]
    assert not alike["한국어"]  # three bytes each, but nine as one of the two has them


def test_bits_together(pair):
    """A fuzz set: lines of up to eight pieces, with or without spaces between them."""
    generator = np.random.default_rng(0)
    lines = []
    for _ in range(4000):
        chosen = generator.choice(len(BITS), generator.integers(1, 9))
        spaces = generator.integers(0, 2, len(chosen))
        lines.append("".join(BITS[i] + " " * s for i, s in zip(chosen, spaces, strict=True)))
    assert_same(both(pair[0]), pair[0], lines)


def test_characters_that_the_table_names(pair):
    """A character alone, within a word and beside another one."""
    tokenizer, fast = pair
    codes = np.flatnonzero(fast._alike)
    codes = codes[(codes != ord("\n")) & (codes > 0x7E)]
    generator = np.random.default_rng(1)
    chosen = [chr(code) for code in generator.choice(codes, 6000, replace=False)]
    ascii_ = [chr(code) for code in range(0x20, 0x7F)]
    others = generator.permutation(chosen + ascii_)
    lines = [f"{c} x{c}y {c}{o}" for c, o in zip(chosen + ascii_, others, strict=True)]
    assert fast.alike(lines).all()
    assert_same(fast.encode, tokenizer, lines)


def test_lines_of_both_kinds_keep_their_order(pair):
    lines = ["one two", "thrée \u0301", "", "four", "\x07", "five six seven", "東京"]
    alike = pair[1].alike(lines)
    assert alike.tolist() == [True, False, True, True, False, True, True]
    assert_same(both(pair[0]), pair[0], lines)
    assert_same(both(pair[0]), pair[0], ["\x07", "e\u0301"])  # none that tensorflow-text takes
    assert_same(both(pair[0]), pair[0], [])


def test_a_line_break_within_a_line(pair):
    """Rows of hub data sets may hold line breaks; they count as spaces."""
    lines = ["one\ntwo", "three", "fo\nür\n", "five"]
    assert pair[1].alike(lines).tolist() == [False, True, False, True]
    assert_same(both(pair[0]), pair[0], lines)


def test_the_bundled_text(pair):
    splits = open_corpus("sample").splits.values()
    lines = [line for split in splits for document in split() for line in document]
    assert len(lines) > 5_000 and pair[1].alike(lines).mean() > 0.95
    assert_same(both(pair[0]), pair[0], lines)


@pytest.mark.slow
def test_all_of_wikitext_2(shared_data, tmp_path, monkeypatch):
    """Both tokenizers give the same shards."""
    tokenizer = load_tokenizer()
    corpus = open_corpus("wikitext-2", str(shared_data))
    encode, taken = FastWordPiece.encode, []
    monkeypatch.setattr(
        FastWordPiece, "encode", lambda self, lines: taken.append(len(lines)) or encode(self, lines)
    )
    fast = prepare(corpus, tokenizer, tmp_path / "fast")
    with monkeypatch.context() as patch:
        patch.setattr(tokenizer_module, "fast_wordpiece", lambda state: None)
        slow = prepare(corpus, tokenizer, tmp_path / "slow")
    assert sum(taken) > 25_000  # of 29,000 lines
    assert fast.manifest == slow.manifest and fast.statistics["train"]["tokens"] > 2_000_000
    for name in fast.manifest["files"]:
        assert (fast.directory / name).read_bytes() == (slow.directory / name).read_bytes()


def test_small_corpora_are_not_worth_the_start():
    tokenizer = load_tokenizer()
    assert tokenizer.corpus_encoder(10_000) == tokenizer.encode_flat
    assert tokenizer.corpus_encoder(None) != tokenizer.encode_flat


def test_nor_is_tensorflow_imported_for_it(monkeypatch):
    tokenizer = load_tokenizer()
    monkeypatch.delitem(sys.modules, "tensorflow")
    assert tokenizer.corpus_encoder(None) == tokenizer.encode_flat


@pytest.mark.parametrize(
    "versions", [{"tokenizers": "0.23.3"}, {"tensorflow-text": "9.9.9", "tokenizers": "0.23.3"}]
)
def test_versions_that_were_never_compared(versions):
    assert not compared(versions) and compared(installed_versions())


def test_a_tensorflow_text_that_does_not_load(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    tokenizer = load_tokenizer()
    assert tokenizer.corpus_encoder(None) == tokenizer.encode_flat


def test_ids_with_holes_are_not_supported():
    state = json.loads(json.dumps(load_tokenizer().text_state))
    state["model"]["vocab"]["more"] = len(state["model"]["vocab"]) + 1
    assert not splits_like_bert(state)


@pytest.mark.parametrize("token", ["a b", " a", "a\u00a0b", ""])
def test_tokens_with_spaces_are_not_supported(token):
    state = json.loads(json.dumps(load_tokenizer().text_state))
    state["model"]["vocab"][token] = len(state["model"]["vocab"])
    assert not splits_like_bert(state)


def test_these_versions_were_compared():
    """Otherwise every corpus would be tokenised slowly, without a message."""
    assert fast_wordpiece(load_tokenizer().text_state)


@pytest.mark.parametrize(
    "part, change",
    [
        ("model", {"type": "BPE"}),
        ("model", {"continuing_subword_prefix": "@@"}),
        ("model", {"max_input_chars_per_word": 50}),
        ("normalizer", {"handle_chinese_chars": False}),
        ("normalizer", {"strip_accents": False}),
        ("normalizer", {"clean_text": False}),
        ("normalizer", {"type": "NFC"}),
        ("pre_tokenizer", {"type": "Whitespace"}),
    ],
    ids=str,
)
def test_other_tokenizers_are_not_supported(part, change):
    state = json.loads(json.dumps(load_tokenizer().text_state))
    assert splits_like_bert(state)
    state[part].update(change)
    assert not splits_like_bert(state)


@pytest.mark.parametrize("option", ["single_word", "lstrip", "normalized"])
def test_another_unknown_token_is_not_supported(option):
    state = json.loads(json.dumps(load_tokenizer().text_state))
    state["added_tokens"][0][option] = True
    assert not splits_like_bert(state)
    state["added_tokens"] = []
    assert not splits_like_bert(state)


def test_a_vocabulary_that_knows_the_first_ideographs():
    tokens = ["[UNK]", "a", *map(chr, range(0x4E00, 0x4F00))]
    fast = FastWordPiece(tokens, lowercase=True)
    assert fast.encode(["a[UNK]a \u4e00"])[0].tolist() == [1, 0, 1, 2]
