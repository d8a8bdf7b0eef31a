"""Odd text in corpora: what is decided about it, as docs/CORPORA.md says."""

import collections
import time
import tracemalloc

import numpy as np
import pytest

from tfdistill.data.corpus import open_corpus
from tfdistill.data.order import Order
from tfdistill.data.repeats import LONG, Repeats
from tfdistill.data.rows import Rows
from tfdistill.data.shards import prepare
from tfdistill.data.text_files import check_file, read_lines
from tfdistill.system.errors import UserError

SPLITS = "train", "validation", "test"
SENTENCE = "the whale and the ship were seen by the captain of the boat"  # longer than LONG


@pytest.fixture
def prepared(tmp_path, tiny_tokenizer):
    """A function of texts (or bytes) of the splits to the prepared corpus."""

    def make(*texts, **options):
        folder = tmp_path / "text"
        folder.mkdir()
        for split, text in zip(SPLITS, texts, strict=False):
            content = text if isinstance(text, bytes) else text.encode()
            (folder / f"{split}.txt").write_bytes(content)
        corpus = open_corpus(str(folder), **options)
        return prepare(corpus, tiny_tokenizer, tmp_path / "shards")

    return make


def many(text, count=60):
    return f"{text}\n" * count


@pytest.mark.parametrize("text", ["", "\n\n", " \t\r\n", "\ufeff", "\u200b\u00ad\n"])
def test_text_without_a_token(prepared, text):
    with pytest.raises(UserError, match="no text for its train split|no text in it"):
        prepared(text, "the ship", "the ship")


def test_a_single_token(prepared):
    statistics = prepared("the", "the", "the").statistics
    assert [statistics[split]["tokens"] for split in SPLITS] == [1, 1, 1]


def test_one_word_cannot_be_cut_into_splits(prepared):
    with pytest.raises(UserError, match="no text for its (test|validation) split: add text"):
        prepared("ship")


@pytest.mark.parametrize("text", ["۞۩ ☃☃", "ⲁⲃⲅ ⲇⲉ"])
def test_only_unknown_words(prepared, text):
    with pytest.raises(UserError, match="the tokenizer knows no word of its train split"):
        prepared(many(text), "the ship", "the ship")


def test_some_unknown_words_are_told(prepared):
    found = prepared(many("the ☃"), "the ship", "the ship")
    assert found.statistics["train"]["unk_share"] == 0.5
    assert any("[UNK] is 50.0% of train" in line for line in found.warnings)


def test_only_punctuation(prepared):
    found = prepared(many(". , ; !"), ". .", ", ,")
    assert found.statistics["train"]["tokens"] == 240


def test_right_to_left_text_keeps_the_order_of_its_characters(tmp_path):
    text = "\u202bשלום ABC العالم\u202c\n"
    (tmp_path / "text.txt").write_text(text, "utf-8")
    assert list(read_lines(tmp_path / "text.txt")) == [text]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_windows_and_old_macs(prepared, end, tmp_path):
    lines = [f"the ship {word}" for word in ("sank", "sailed", "came")] * 20
    text = end.join(lines).encode()
    found = prepared(text, "the ship", "the sea")
    plain = tmp_path / "plain.txt"
    plain.write_text("\n".join(lines))
    (tmp_path / "ends.txt").write_bytes(text)
    assert list(read_lines(tmp_path / "ends.txt")) == list(read_lines(plain))
    assert found.statistics["train"]["tokens"] > 180


def test_less_text_than_a_batch(prepared, tiny_tokenizer):
    """A batch has the rows several times, all of them equally often."""
    found = prepared(many("the ship", 10), "the ship", "the sea")
    rows = len(Rows(found.shard("train"), 16, tiny_tokenizer))
    assert rows == 4
    indices, epochs = Order(rows, 2 * rows, seed=0).at(0)
    counts = collections.Counter(indices.tolist())
    assert counts == dict.fromkeys(range(rows), 2) and set(epochs.tolist()) == {0, 1}


BROKEN = b"the ship sank\nthe caf\xe9 sank\nthe sea\x00 sank\nthe \xff\xfe whale\n"


def test_strict_names_byte_and_line(tmp_path):
    file = tmp_path / "text.txt"
    file.write_bytes(BROKEN)
    with pytest.raises(UserError) as caught:
        open_corpus(str(file))
    assert str(caught.value) == (
        f"{file}: a binary file (NUL at byte 35, line 3): a text file is needed, or set "
        "encoding_errors"
    )
    file.write_bytes(BROKEN.replace(b"\x00", b""))
    with pytest.raises(
        UserError, match="not UTF-8 at byte 21, line 2: convert the file to UTF-8, or"
    ):
        open_corpus(str(file))
    for place in ((1 << 20) - 2, (1 << 20) - 1, 1 << 20):  # where pieces of the file meet
        file.write_bytes(b"\n" * place + b"\xe2\x82x")
        with pytest.raises(UserError, match=f"at byte {place}, line {place + 1}:"):
            check_file(file)


@pytest.mark.parametrize(
    ("errors", "lines"),
    [
        (
            "replace",
            ["the ship sank", "the caf\ufffd sank", "the sea\ufffd sank", "the \ufffd\ufffd whale"],
        ),
        ("skip", ["the ship sank"]),
    ],
)
def test_encoding_errors(prepared, tmp_path, errors, lines):
    (tmp_path / "text.txt").write_bytes(BROKEN)
    assert [line.rstrip("\n") for line in read_lines(tmp_path / "text.txt", errors)] == lines
    found = prepared(BROKEN, "the ship", "the sea", encoding_errors=errors)
    assert found.manifest["bad_lines"] == {"train": 3, "validation": 0, "test": 0}
    assert any(
        "3 lines of train are not UTF-8, or have NUL bytes: read" in line for line in found.warnings
    )


def test_encoding_errors_decide_what_is_prepared(prepared, tmp_path):
    """A corpus that is read otherwise is another; one without such text is the same."""
    file = tmp_path / "text.txt"
    for content, different in ((BROKEN, 2), (b"the ship\n", 1)):
        file.write_bytes(content)
        found = {open_corpus(str(file), encoding_errors=e).fingerprint for e in ("replace", "skip")}
        assert len(found) == different
    assert open_corpus(str(file)).fingerprint in found


def test_rows_of_json_with_bad_characters(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"text": "one"}\n{"text": "caf\xe9"}\n{"text": "two"}\n')
    texts = {
        errors: [
            " ".join(d) for d in open_corpus(str(file), encoding_errors=errors).splits["train"]()
        ]
        for errors in ("replace", "skip")
    }
    assert "caf\ufffd" in " ".join(texts["replace"]) and "caf" not in " ".join(texts["skip"])


def test_repeated_documents_and_overlap_are_told(prepared):
    """Documents of a line each; two occur twice in train, one is in test, one in validation."""
    names = [f"The {word} sank there. It was dark. The {word} was old." for word in "abcdefgh"]
    split = "\n\n".join
    documents = [text.replace(". ", ".\n") for text in names]
    found = prepared(
        split(documents + documents[:2]), split(documents[3:4]), "The sea rose.\nIt fell."
    )
    statistics = found.statistics
    assert statistics["train"]["repeated"] == 2
    assert statistics["validation"]["documents_in_train"] == 1
    assert not {"repeated", "documents_in_train", "lines_in_train"} & statistics["test"].keys()
    assert "2 of 10 train documents occur more than once" in found.warnings
    assert any("1 of 1 validation documents are also in train" in line for line in found.warnings)


def test_overlap_of_lines_is_told(prepared):
    lines = [f"{SENTENCE} number {number}" for number in range(40)]
    found = prepared(
        "\n".join(lines), "\n".join(["the sea"] * 40), "\n".join(["x", *lines[:4], SENTENCE])
    )
    assert found.statistics["test"]["lines_in_train"] == 4
    assert found.statistics["test"]["long_lines"] == 5
    assert any(
        f"80.0% of the lines of test with {LONG} characters" in line for line in found.warnings
    )


def test_counts_of_repeats():
    """Against counting by hand, in any order of short and long lines."""
    generator = np.random.default_rng(0)
    pool = [[SENTENCE + str(n), str(n % 3)] for n in range(12)]
    texts = {split: [pool[n] for n in generator.integers(12, size=9)] for split in SPLITS}
    repeats = Repeats()
    for split in reversed(SPLITS):
        for document in repeats.watched(split, texts[split]):
            list(document)
    train = {document[0] for document in texts["train"]}
    for split in SPLITS:
        firsts = [document[0] for document in texts[split]]
        facts = repeats.facts(split)
        assert facts.get("repeated", 0) == len(firsts) - len(set(firsts))
        if split != "train":
            inside = sum(first in train for first in firsts)
            assert facts.get("documents_in_train", 0) == facts.get("lines_in_train", 0) == inside


@pytest.mark.slow
def test_a_line_of_100_megabytes(tmp_path, tiny_tokenizer):
    """It is read in pieces: the memory is a part of its size."""
    words = b"the whale and the ship of the sea "
    (tmp_path / "text.txt").write_bytes(words * (100_000_000 // len(words)))
    tracemalloc.start()
    began = time.monotonic()
    found = prepare(open_corpus(str(tmp_path / "text.txt")), tiny_tokenizer, tmp_path / "shards")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(facts["tokens"] for facts in found.statistics.values()) > 20_000_000
    assert peak < 100_000_000 and time.monotonic() - began < 900
