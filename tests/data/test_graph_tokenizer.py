"""Rows that a graph makes of strings are those of `tokenizers`, or the text is refused."""

import functools

import numpy as np
import pytest

from tfdistill.data.corpus import open_corpus
from tfdistill.data.graph_tokenizer import REFUSED, GraphTokenizer, refusal
from tfdistill.data.labelled.encoded import EncodedExamples
from tfdistill.data.labelled.encoding import encode_texts
from tfdistill.data.text_tokenizer import load_text_tokenizer
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.system.errors import UserError

pytest.importorskip("tensorflow_text")
BITS = (
    *("the whale", "Über", "naïve", "ÉCOLE", "don't", "e-mail", "1,000.5", "", " ", "a", "東京"),
    *("漢字かな", "кириллица", "ΣΊΣΥΦΟΣ", "½", "²", "ª", "ﬁn", "🙂", "→", "“x”", "…", "—", "\t"),
    *("[MASK]", "[mask]", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK", "##ing", "x[MASK]y", "\n"),
    *("a" * 99, "supercalifragilistic", "\r\n", "\u00a0", "e\u0301", "\x07", "한국어", "a" * 101),
)


@pytest.fixture(scope="module")
def plain():
    """(tokenizer of tasks with labels, its `GraphTokenizer`)."""
    tokenizer = load_text_tokenizer()
    return tokenizer, GraphTokenizer(tokenizer, keeps_special=False)


@pytest.fixture(scope="module")
def masked():
    tokenizer = load_tokenizer()
    return tokenizer, GraphTokenizer(tokenizer, keeps_special=True)


@pytest.fixture(scope="module")
def lines():
    documents = open_corpus("sample").splits["test"]()
    found = [line for document in documents for line in document if line.strip()]
    return found[:: max(1, len(found) // 2000)]


@pytest.fixture(scope="module")
def mixed():
    """Texts of up to eight pieces, with or without blanks between them."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(200):
        chosen = generator.choice(len(BITS) - 4, generator.integers(1, 9))
        blanks = generator.integers(0, 2, len(chosen))
        found.append("".join(BITS[i] + " " * s for i, s in zip(chosen, blanks, strict=True)))
    return found


@functools.cache
def compiled(graph, length, pairs):
    """A function of one or two string tensors to the rows."""
    import tensorflow as tf

    strings = [tf.TensorSpec([None], tf.string)] * (1 + pairs)
    make = tf.function(lambda *texts: graph.rows(*texts, length=length), strings)
    return make.get_concrete_function()


def rows(graph, texts, others=None, length=24):
    import tensorflow as tf

    strings = (tf.constant(each) for each in (texts, others) if each is not None)
    found = compiled(graph, length, others is not None)(*strings)
    return {name: each.numpy() for name, each in found.items()}


def expected(tokenizer, texts, others=None, length=24):
    others = others or [None] * len(texts)
    encoded = encode_texts(tokenizer, texts, others, length)
    source = EncodedExamples(encoded, texts, pad=tokenizer.pad_id, longest=length, lengths=[length])
    found = source.gather(np.arange(len(texts)), length)
    return {"token_type_ids": np.zeros_like(found["input_ids"])} | found


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, each in found.items():
        assert each.dtype == np.int32
        np.testing.assert_array_equal(each, wanted[name], name)


def test_lines_of_books(plain, lines):
    tokenizer, graph = plain
    assert_same(rows(graph, lines, length=40), expected(tokenizer, lines, length=40))


@pytest.mark.slow
def test_pairs_are_cut_as_tokenizers_cuts_them(plain, lines):
    tokenizer, graph = plain
    words = [line.split() for line in lines[:200]]
    first = [" ".join(each[: i % 13]) for i, each in enumerate(words)]
    second = [" ".join(each[: i % 7 * 3]) for i, each in enumerate(reversed(words))]
    for length in (9, 24):
        wanted = expected(tokenizer, first, second, length)
        assert_same(rows(graph, first, second, length), wanted)


def agreed(graph, texts):
    """The texts that the graph does not refuse, each asked alone."""
    import tensorflow as tf

    for text in texts:
        try:
            rows(graph, [text])
        except tf.errors.InvalidArgumentError as error:
            assert REFUSED in str(error), text
        else:
            yield text


def test_mixed_texts(plain, masked, mixed):
    tokenizer, graph = plain
    texts = list(agreed(graph, mixed))
    assert len(texts) > 0.4 * len(mixed)
    assert_same(rows(graph, texts), expected(tokenizer, texts))
    tokenizer, graph = masked
    texts = list(agreed(graph, mixed))
    wanted = [tokenizer.encode(text, 24) for text in texts]
    found = rows(graph, texts)
    np.testing.assert_array_equal(found["input_ids"], [ids for ids, _ in wanted])
    np.testing.assert_array_equal(found["attention_mask"], [mask for _, mask in wanted])
    assert (found["input_ids"] == graph.mask_id).sum() > 10


def test_what_is_refused(plain, masked):
    for (_, graph), own in ((plain, False), (masked, True)):
        texts = BITS[-4:] if own else [*BITS[-4:], "\x00", "x" * 26 + "é"]
        assert not list(agreed(graph, texts))
        stand_in = next(iter(graph._stand_ins.values()))
        assert not list(agreed(graph, [f"the {stand_in} sea"]))
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError):
        rows(plain[1], [b"\xff\xfe"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="the whale"):  # names the text
        rows(plain[1], ["the sea", "the whale \x07"])


@pytest.mark.parametrize(
    "changes", [{"strip_accents": False}, {"handle_chinese_chars": False}, {"clean_text": False}]
)
def test_other_settings_are_refused(changes):
    tokenizer = load_text_tokenizer()
    normalizer = tokenizer.text_state["normalizer"] | changes
    tokenizer.text_state = {**tokenizer.text_state, "normalizer": normalizer}
    with pytest.raises(UserError, match="not BERT's WordPiece with clean_text"):
        GraphTokenizer(tokenizer, keeps_special=False)


def test_without_the_library(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert refusal(load_text_tokenizer(), False) == "tensorflow-text is not installed"
    with pytest.raises(UserError, match="tensorflow-text is not installed"):
        GraphTokenizer(load_text_tokenizer(), keeps_special=False)


def test_cased_text(shared_data, tmp_path, lines):
    source = shared_data / "bert-base-cased" / "vocab.txt"
    (tmp_path / "vocab.txt").write_bytes(source.read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    tokenizer = load_text_tokenizer(str(tmp_path))
    graph = GraphTokenizer(tokenizer, keeps_special=False)
    assert_same(rows(graph, lines[::4]), expected(tokenizer, lines[::4]))
