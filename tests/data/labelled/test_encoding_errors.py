"""Examples with labels in files that are not UTF-8: refused, read with U+FFFD, or left out."""

import gzip
import json

import pytest

from tfdistill.data.labelled.examples import Reading
from tfdistill.data.labelled.opening import open_labelled
from tfdistill.data.labelled.sentences import open_sentences
from tfdistill.system.errors import UserError

LATIN, NUL = "§", "¶"  # where a file has a byte of Latin-1, and a NUL byte
TOLD = "are not UTF-8, or have NUL bytes"
TEXTS = [f"text {i} of many" for i in range(40)]
TEXTS[4], TEXTS[7] = f"caf{LATIN} 4", f"caf{NUL} 7"
LABELS = ["no" if i % 3 else "yes" for i in range(40)]
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
ESCAPED = {"text": "half \\ud83d", "label": "no"}  # of a surrogate pair, written in ASCII
TABLES = {
    "a.csv": "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS),
    "quoted.csv": "text,label\n"
    + "".join(f'"{row["text"]},\nand more",{row["label"]}\n' for row in ROWS),
    "a.tsv": "text\tlabel\n" + "".join(f"{row['text']}\t{row['label']}\n" for row in ROWS),
    "a.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS),
    "a.json": json.dumps(ROWS, ensure_ascii=False),
    "escaped.json": json.dumps([*ROWS, ESCAPED], ensure_ascii=False).replace("\\\\", "\\"),
    "a.csv.gz": "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS),
}


def in_bytes(text):
    return text.encode().replace(LATIN.encode(), b"\xe9").replace(NUL.encode(), b"\0")


@pytest.fixture
def write(tmp_path):
    """Writes a file, with bytes that are not UTF-8, and returns its path."""

    def written(name, text):
        packed = gzip.compress if name.endswith(".gz") else bytes
        (tmp_path / name).write_bytes(packed(in_bytes(text)))
        return str(tmp_path / name)

    return written


def read(errors, kind="text", **data):
    return open_labelled(kind, **data, reading=Reading(encoding_errors=errors))


def examples(data):
    return [each for part in data.splits.values() for each in part]


def told(data):
    return [note for note in data.notes if TOLD in note]


def test_strict_names_file_line_and_flag(write):
    path = write("a.csv", TABLES["a.csv"].replace(NUL, ""))
    with pytest.raises(UserError) as caught:
        read("strict", train_data=path)
    assert str(caught.value) == (
        f"{path}: not UTF-8 at byte 88, line 6: convert the file to UTF-8, or set encoding_errors"
    )
    with pytest.raises(UserError, match=r"NUL at byte \d+, line 9\): .*, or set encoding_errors"):
        read("strict", train_data=write("a.csv", TABLES["a.csv"].replace(LATIN, "")))


@pytest.mark.parametrize("name", TABLES)
def test_tables(write, name):
    path, count = write(name, TABLES[name]), 40 + ("escaped" in name)
    replaced = read("replace", train_data=path)
    assert len(examples(replaced)) == count
    texts = " ".join(each.text for each in examples(replaced))
    assert "caf\ufffd 4" in texts and "caf\ufffd 7" in texts
    lines = 1 if name.endswith(".json") else 2
    assert replaced.facts["encoding_errors"] == lines and replaced.facts["bad_rows"] == 0
    assert told(replaced) == [f"{path}: {lines} lines {TOLD}: read with U+FFFD"]
    skipped = read("skip", train_data=path)
    assert len(examples(skipped)) == count - 2
    assert not any("caf" in each.text for each in examples(skipped))
    assert any("half \ufffd" in each.text for each in examples(skipped)) == (count > 40)
    assert skipped.facts["encoding_errors"] == 2 and skipped.facts["bad_rows"] == 0
    assert told(skipped) == [f"{path}: 2 rows {TOLD}: left out"]
    assert skipped.fingerprint != replaced.fingerprint


def test_a_file_in_utf8_is_the_same_whatever_the_setting(write):
    path = write("a.csv", TABLES["a.csv"].replace(LATIN, "é").replace(NUL, ""))
    found = [read(errors, train_data=path) for errors in ("strict", "replace", "skip")]
    assert len({data.fingerprint for data in found}) == 1
    assert [data.facts["encoding_errors"] for data in found] == [0, 0, 0]
    assert not any(map(told, found))


def test_names_of_columns_are_read_whatever_they_hold(write):
    rows = "".join(f"a{i},{i % 2},x\n" for i in range(40))
    path = write("a.csv", f"text,label,pa{LATIN}s\n{rows}")
    assert len(examples(read("skip", train_data=path))) == 40
    reading = Reading(label="none", encoding_errors="skip")
    with pytest.raises(UserError, match="no column 'none', only 'text', 'label', 'pa\ufffds'"):
        open_labelled("text", train_data=path, reading=reading)


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.csv", "text,label\n" + f"caf{LATIN},yes\n" * 3),
        ("a.jsonl", f'{{"text": "caf{LATIN}", "label": "yes"}}\n' * 3),
    ],
)
def test_nothing_is_left(write, name, text):
    path = write(name, text)
    with pytest.raises(UserError, match=f"no examples in it, and 3 rows that {TOLD}$"):
        read("skip", train_data=path)


def test_sentences_of_conll(write):
    sentences = [f"# about {LATIN}\nw{i}\tB-x\nin\tO\n" for i in range(40)]
    sentences[3] = f"w3\tB-x\ncaf{LATIN}\tO\nth{LATIN}\tO\n"
    sentences[8] = f"w8\tB-x\ncaf{NUL}\tO\n"
    path = write("a.conll", "\n".join(sentences))
    replaced, skipped = (read(errors, "tags", train_data=path) for errors in ("replace", "skip"))
    words = [each.words for each in examples(replaced)]
    assert len(words) == 40 and ("w3", "caf\ufffd", "th\ufffd") in words
    assert replaced.facts["encoding_errors"] == 3 + 38  # comments, too
    left = {each.words for each in examples(skipped)}
    assert left == {(f"w{i}", "in") for i in range(40) if i not in (3, 8)}
    assert told(skipped) == [f"{path}: 2 rows {TOLD}: left out"]


def test_questions_of_squad(write):
    def paragraph(i):
        context, question = f"a b {i}", f"q {i}"
        context += f" caf{LATIN}" * (i == 3)
        question += f" caf{NUL}" * (i == 5)
        answers = [{"text": "b", "answer_start": 2}]
        asked = [{"id": f"{i}{name}", "question": question, "answers": answers} for name in "xy"]
        return {"context": context, "qas": asked}

    articles = [
        {"title": f"Caf{LATIN}" if i == 9 else f"t{i}", "paragraphs": [paragraph(i)]}
        for i in range(40)
    ]
    path = write("a.json", json.dumps({"data": articles}, ensure_ascii=False))
    replaced, skipped = (read(errors, "spans", train_data=path) for errors in ("replace", "skip"))
    assert len(examples(replaced)) == 80 and replaced.facts["encoding_errors"] == 1
    assert "a b 3 caf\ufffd" in {each.context for each in examples(replaced)}
    assert {each.id for each in examples(replaced)} - {each.id for each in examples(skipped)} == {
        f"{i}{name}" for i in (3, 5, 9) for name in "xy"
    }
    assert told(skipped) == [f"{path}: 6 rows {TOLD}: left out"]


def test_folders_of_glue(write, tmp_path):
    rows = "".join(f"src\t{i % 2}\t*\tHe said {i}.\n" for i in range(40))
    train = write("train.tsv", rows.replace("said 7", f"sa{LATIN}d 7"))
    write("dev.tsv", rows)
    data = dict(task_data="glue/cola", data_dir=str(tmp_path))
    with pytest.raises(UserError, match="train.tsv: not UTF-8 at byte .*, line 8: "):
        read("strict", **data)
    replaced, skipped = read("replace", **data), read("skip", **data)
    assert "He sa\ufffdd 7." in {each.text for each in examples(replaced)}
    assert len(examples(replaced)) == 80 and len(examples(skipped)) == 79
    assert told(skipped) == [f"{train}: 1 rows {TOLD}: left out"]


@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_sentences_without_labels(write, name):
    lines = [f"the ship number {i} sank" for i in range(300)]
    lines[6] = f"the caf{LATIN} sank"
    path = write(name, "text\n" * (name == "a.csv") + "\n".join(lines))
    found = {
        errors: open_sentences({"train": path}, Reading(encoding_errors=errors))
        for errors in ("replace", "skip")
    }
    texts = {
        errors: {text for each in examples(data) for text in (each.text, each.pair)} - {None}
        for errors, data in found.items()
    }
    assert texts["replace"] - texts["skip"] == {"the caf\ufffd sank"}
    assert told(found["skip"]) == [f"{path}: 1 rows {TOLD}: left out"]
    assert [data.facts["encoding_errors"] for data in found.values()] == [1, 1]
