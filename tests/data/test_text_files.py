"""Text files: packing, checks, lines, and columns of JSON."""

import bz2
import gzip
import json
import lzma

import pytest

from tfdistill.data.text_files import (
    LONGEST_LINE,
    check_file,
    decode_entities,
    read_column,
    read_lines,
)
from tfdistill.system.errors import UserError

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "GZ": gzip.compress}


def test_long_lines_are_broken_at_spaces_and_lose_nothing(tmp_path):
    words = [f"word{i}" for i in range(LONGEST_LINE // 2)]
    (tmp_path / "a.txt").write_text(" ".join(words))
    lines = list(read_lines(tmp_path / "a.txt"))
    assert len(lines) > 1
    assert max(map(len, lines)) <= 2 * LONGEST_LINE
    assert " ".join(lines).split() == words
    (tmp_path / "b.txt").write_text("x" * (2 * LONGEST_LINE + 1))
    assert sum(map(len, read_lines(tmp_path / "b.txt"))) == 2 * LONGEST_LINE + 1


@pytest.mark.parametrize("packed", PACKERS)
def test_line_ends_byte_order_mark_and_packing(tmp_path, packed):
    text = "\ufeffone\r\ntwo\r\n".encode()
    plain, other = tmp_path / "a.txt", tmp_path / f"a.txt.{packed}"
    plain.write_bytes(text)
    other.write_bytes(PACKERS[packed](text))
    for path in (plain, other):
        assert list(read_lines(path)) == ["one\n", "two\n"]
    assert check_file(plain) == check_file(other)
    assert check_file(plain).size == len(text) and check_file(plain).head == "one\r\ntwo\r\n"


@pytest.mark.parametrize(
    "text, there",
    [
        ("a\nb\n", False),
        ("a\n\nb", True),
        ("a\r\n\r\nb", True),
        ("a\n \t\nb", True),
        ("x" * ((1 << 20) - 2) + "\n\n", True),
        ("x" * ((1 << 20) - 1) + "\n\nb", True),  # over two chunks
    ],
)
def test_empty_lines_are_noticed(tmp_path, text, there):
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert check_file(tmp_path / "a.txt").empty_lines == there


@pytest.mark.parametrize(
    "content, message",
    [
        (b"abc\0def", "binary file (NUL at byte 3, line 1)"),
        (b"na\xefve", "not UTF-8 at byte 2"),
        (b"half \xe6\x9d", "not UTF-8 at byte 5"),
        (b"x" * ((1 << 20) - 1) + b"\xe6\x9dA", f"not UTF-8 at byte {(1 << 20) - 1}"),
        ("two bytes a character".encode("utf-16"), "UTF-16, as Windows writes it: convert it"),
        (b"\xfe\xff" + "so viele".encode("utf-16-be"), "UTF-16, as Windows writes it"),
        ("so viele".encode("utf-16-be"), "binary file (NUL at byte 0, line 1)"),
    ],
)
def test_files_that_are_no_text(tmp_path, content, message):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        check_file(path)
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


def column_of(tmp_path, text, column="text"):
    (tmp_path / "a.jsonl").write_text(text, "utf-8")
    return list(read_column(tmp_path / "a.jsonl", column))


ROWS = [
    {"url": "https://a.example", "text": "one\n\ntwo é", "timestamp": "2019-04-25T12:57:54Z"},
    {"url": "https://b.example", "text": None, "timestamp": "2019-04-25T12:57:54Z"},
    {"url": "https://c.example", "text": "R&amp;D", "timestamp": "2019-04-25T12:57:54Z"},
]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "json.gz", "jsonl.bz2", "NDJSON"])
@pytest.mark.parametrize("as_list", [False, True])
def test_the_column_of_json(tmp_path, suffix, as_list):
    text = json.dumps(ROWS, indent=1) if as_list else "\r\n\r\n".join(map(json.dumps, ROWS))
    data = ("\ufeff" + text).encode()
    packed = suffix.rpartition(".")[2]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(PACKERS.get(packed, bytes)(data))
    assert list(read_column(path, "text")) == ["one\n\ntwo é", "", "R&amp;D"]
    assert next(read_column(path, "url")) == "https://a.example"


@pytest.mark.parametrize("text", ["", "\n\n", "[]"])
def test_json_without_rows(tmp_path, text):
    assert column_of(tmp_path, text) == []


def test_half_a_character_becomes_the_replacement_character(tmp_path):
    assert column_of(tmp_path, '{"text": "a\\ud83d b \\ud83d\\ude00"}') == ["a\ufffd b 😀"]


def test_entities_of_wikiextractors_json_are_decoded(tmp_path):
    row = {"id": "12", "revid": "100", "url": "https://en.wikipedia.org/wiki?curid=12"}
    row |= {"title": "Inequality", "text": "a &lt; b\nR&amp;D"}
    assert column_of(tmp_path, json.dumps(row)) == ["a < b\nR&D"]


def test_only_entities_are_decoded():
    assert decode_entities("&lt;&#65;&#x42;&nbsp;AT&T &copy that &bogus; &amp;lt;") == (
        "<AB\xa0AT&T &copy that &bogus; &lt;"
    )


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"text": "a"}\n\n{"text": "b"', ["line 3", "not JSON"]),
        ('{\n "text": "a"\n}', ["line 1", "one object per line"]),
        ('[{"text": "a"}, {"text"]', ["not JSON", "list of objects"]),
        (
            '{"text": "a"}\n{"url": "b", "body": "c"}',
            ["row 2", "'text'", "url, body", "text_column"],
        ),
        ("{}", ["row 1", "'text'", "text_column"]),
        ('["a", "b"]', ["row 1", "not a JSON object"]),
        ("a\tb\n", ["line 1", "not JSON"]),
        ('{"text": ["a", "b"]}', ["row 1", "holds list", "text_column"]),
        ("[" * 100_000, ["not JSON"]),
    ],
)
def test_json_without_that_text_is_refused_in_one_line(tmp_path, text, words):
    with pytest.raises(UserError) as caught:
        column_of(tmp_path, text)
    message = str(caught.value)
    assert "a.jsonl" in message and "\n" not in message
    assert [word for word in words if word not in message] == [], message
