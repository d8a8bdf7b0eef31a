"""Lines, layouts, checks of files, and cutting into splits."""

import gzip

import pytest

from tfdistill.data.documents import (
    LONGEST_LINE,
    PLAIN,
    SPLITS,
    WIKITEXT,
    WIKITEXT_DENSE,
    check_file,
    cut,
    detect_layout,
    read_lines,
    split_documents,
)
from tfdistill.errors import UserError

ARTICLES = [
    " \n", " = Du Fu = \n", " \n", " a well @-@ known <unk> , 1 @,@ 000 or 2 @.@ 5 \n", " \n",
    " = = Life = = \n", " \n", " Pts \n", " = Goals ; A = \n", " Assists \n",
    " \n", " = Skye = \n", " \n", " an island \n",
]  # fmt: skip


def documents_of(lines):
    return [list(document) for document in split_documents(lines, detect_layout(lines))]


def numbered(lengths):
    """A source of documents whose lines are all different: document.line."""
    return lambda: ((f"{i}.{j}" for j in range(n)) for i, n in enumerate(lengths))


def cut_lines(source, missing=("validation", "test")):
    return {
        split: [list(document) for document in stream()]
        for split, stream in cut(source, missing).items()
    }


def test_wikitext_headings_start_documents_and_marks_are_undone():
    assert detect_layout(ARTICLES) == WIKITEXT
    assert documents_of(ARTICLES) == [
        [
            "= Du Fu =", "a well-known [UNK] , 1,000 or 2.5", "= = Life = =", "Pts",
            "= Goals ; A =", "Assists",
        ],
        ["= Skye =", "an island"],
    ]  # fmt: skip


def test_wikitext_without_blank_lines():
    lines = ["= A =", "one", "= = B = =", "two", "= C =", "three"]
    assert detect_layout(lines) == WIKITEXT_DENSE
    assert documents_of(lines) == [["= A =", "one", "= = B = =", "two"], ["= C =", "three"]]


def test_text_before_the_first_heading_is_a_document():
    assert documents_of(["lost", "", "= A =", "", "one"]) == [["lost"], ["= A =", "one"]]


def test_plain_text_is_one_document_and_keeps_its_marks():
    lines = ["a <unk> @-@ b\n", "\n", "x = y = z\n", "== no heading ==\n"]
    assert detect_layout(lines) == PLAIN
    assert documents_of(lines) == [["a <unk> @-@ b", "x = y = z", "== no heading =="]]


@pytest.mark.parametrize("lines", [[], ["\n", "  \n"]])
def test_no_text_is_no_document(lines):
    assert documents_of(lines) == []


def test_documents_may_be_left_unread():
    lines = ["= A =", "", "one", "two", "", "= B =", "", "three"]
    stream = split_documents(lines, WIKITEXT)
    assert [next(document) for document in stream] == ["= A =", "= B ="]


def test_long_lines_are_broken_at_spaces_and_lose_nothing(tmp_path):
    words = [f"word{i}" for i in range(LONGEST_LINE // 2)]
    (tmp_path / "a.txt").write_text(" ".join(words))
    lines = list(read_lines(tmp_path / "a.txt"))
    assert len(lines) > 1
    assert max(map(len, lines)) <= 2 * LONGEST_LINE
    assert " ".join(lines).split() == words
    (tmp_path / "b.txt").write_text("x" * (2 * LONGEST_LINE + 1))
    assert sum(map(len, read_lines(tmp_path / "b.txt"))) == 2 * LONGEST_LINE + 1


def test_line_ends_byte_order_mark_and_gzip(tmp_path):
    text = "\ufeffone\r\ntwo\r\n".encode()
    (tmp_path / "a.txt").write_bytes(text)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text))
    for name in ("a.txt", "a.txt.gz"):
        assert list(read_lines(tmp_path / name)) == ["one\n", "two\n"]
    assert check_file(tmp_path / "a.txt") == check_file(tmp_path / "a.txt.gz")
    assert check_file(tmp_path / "a.txt")[1] == len(text)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"abc\0def", "binary file (NUL at byte 3)"),
        (b"na\xefve", "not UTF-8 at byte 2"),
        (b"half \xe6\x9d", "not UTF-8 at byte 5"),
        (b"x" * ((1 << 20) - 1) + b"\xe6\x9dA", f"not UTF-8 at byte {(1 << 20) - 1}"),
        ("two bytes a character".encode("utf-16"), "not UTF-8 at byte 0"),
        ("so viele".encode("utf-16-be"), "binary file (NUL at byte 0)"),
    ],
)
def test_files_that_are_no_text(tmp_path, content, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        check_file(path)
    if content.startswith(b"\xff\xfe"):
        message = "binary file (NUL at byte 3)"
    assert str(path) in str(caught.value) and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_character_over_two_chunks_is_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x" * ((1 << 20) - 1) + "東".encode())
    assert check_file(tmp_path / "a.txt")[1] == (1 << 20) + 2


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-9], lambda b: b"no gzip", lambda b: b[:20] + b"\xff" * 9]
)
def test_damaged_gzip(tmp_path, damage):
    path = tmp_path / "a.gz"
    path.write_bytes(damage(gzip.compress(b"some text to pack, and more of it" * 50)))
    with pytest.raises(UserError, match="a.gz: cannot be read"):
        check_file(path)


def test_a_long_document_is_cut_by_lines():
    splits = cut_lines(numbered([100]))
    assert [len(splits[split][0]) for split in SPLITS] == [90, 5, 5]
    assert sum((splits[split][0] for split in SPLITS), []) == [f"0.{j}" for j in range(100)]


def test_short_documents_are_broken_at_spaces_first():
    words = [f"word{i}" for i in range(100)]
    splits = cut_lines(lambda: iter([[" ".join(words[:60]), " ".join(words[60:])], ["a b c"]]))
    assert [len(document) for document in splits["train"]] == [18, 1]
    assert splits["train"][1] == ["a b c"]  # too short for any cut
    assert splits["validation"] == [[" ".join(words[90:95])]]
    assert splits["test"] == [[" ".join(words[95:])]]
    pieces = [piece for split in SPLITS for piece in splits[split][0]]
    assert " ".join(pieces).split() == words


def test_many_documents_are_cut_by_document():
    splits = cut_lines(numbered([3] * 45))
    held_out = {"validation": [18, 38], "test": [19, 39]}
    for split, numbers in held_out.items():
        assert [document[0] for document in splits[split]] == [f"{i}.0" for i in numbers]
    assert len(splits["train"]) == 41
    everything = [line for split in SPLITS for document in splits[split] for line in document]
    assert len(everything) == len(set(everything)) == 135


@pytest.mark.parametrize("lengths", [[100], [2] * 40])
def test_only_missing_splits_are_cut(lengths):
    splits = cut_lines(numbered(lengths), ["test"])
    assert set(splits) == {"train", "test"}
    both = cut_lines(numbered(lengths))
    assert splits["test"] == both["test"]
    lines = [line for documents in splits.values() for document in documents for line in document]
    assert len(lines) == len(set(lines)) == sum(lengths)
    assert cut_lines(numbered(lengths), []) == {"train": [list(d) for d in numbered(lengths)()]}
