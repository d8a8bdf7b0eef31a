"""The values of the setting `corpus`, and the text that each gives."""

import bz2
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tfdistill.data.corpus import SAMPLE, open_corpus
from tfdistill.data.documents import SPLITS
from tfdistill.system.errors import UserError


def read(corpus):
    return {
        split: [list(document) for document in corpus.splits[split]()] for split in corpus.splits
    }


def write(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


LONG = "".join(f"line {i} of a text\n" for i in range(100))


def test_sample_has_all_books_in_every_split():
    corpus = open_corpus("sample")
    splits = read(corpus)
    files = [SAMPLE / f"{split}.txt" for split in SPLITS]
    assert 1_000_000 < corpus.size == sum(file.stat().st_size for file in files) <= 3_000_000
    headings = {split: [document[0] for document in splits[split]] for split in SPLITS}
    for split in SPLITS:
        assert {heading.split(" : ")[0] for heading in headings[split]} == {
            "= Alice's Adventures in Wonderland",
            "= Frankenstein",
            "= Moby Dick",
            "= Pride and Prejudice",
            "= The Adventures of Sherlock Holmes",
        }
        assert (SAMPLE / f"{split}.txt").stat().st_size > 120_000
    every = sum(headings.values(), [])
    assert len(every) == len(set(every)) == 250
    paragraphs = {split: {line for d in splits[split] for line in d[1:]} for split in SPLITS}
    shared = paragraphs["train"] & (paragraphs["validation"] | paragraphs["test"])
    assert all(len(line) < 60 for line in shared), "a long paragraph is in two splits"


def test_the_script_makes_the_sample(shared_data, tmp_path):
    script = Path(__file__).resolve().parents[2] / "scripts" / "make_sample.py"
    books = shared_data / "gutenberg"
    command = [sys.executable, str(script), f"--books={books}", f"--output={tmp_path}"]
    subprocess.run(command, check=True, capture_output=True)
    for split in SPLITS:
        name = f"{split}.txt"
        assert (tmp_path / name).read_bytes() == (SAMPLE / name).read_bytes()


def test_a_single_file_is_cut_by_lines_always_alike(tmp_path):
    write(tmp_path, book_txt=LONG)
    corpus = open_corpus(str(tmp_path / "book.txt"))
    splits = read(corpus)
    assert [len(splits[split][0]) for split in SPLITS] == [90, 5, 5]
    assert splits == read(open_corpus(str(tmp_path / "book.txt"))) == read(corpus)
    assert corpus.name == "book"


def test_a_folder_of_many_files_is_cut_by_file(tmp_path):
    for i in range(40):
        write(tmp_path, **{f"shelf{i % 3}__book{i:02}_txt": f"text {i}\n"})
    write(tmp_path, empty_txt="", notes_pdf="no text", __git__a_txt="no")
    (tmp_path / ".hidden.txt").write_text("no")
    splits = read(open_corpus(str(tmp_path)))
    assert [len(splits[split]) for split in SPLITS] == [36, 2, 2]
    lines = {line for documents in splits.values() for document in documents for line in document}
    assert lines == {f"text {i}" for i in range(40)}


def test_files_beside_a_training_file_join_it(tmp_path):
    write(tmp_path, train_txt="a", moby_txt="b", test_txt="c")
    splits = read(open_corpus(str(tmp_path)))
    assert splits["train"] == [["b"], ["a"]] and splits["test"] == [["c"]]


@pytest.mark.parametrize("word", ["valid", "validation", "val", "dev"])
def test_a_split_that_is_not_there_is_cut_from_training(tmp_path, word):
    write(tmp_path, **{"train_txt": LONG, f"{word}_txt": "held out"})
    splits = read(open_corpus(str(tmp_path)))
    assert splits["validation"] == [["held out"]]
    assert [len(splits[split][0]) for split in ("train", "test")] == [95, 5]


def test_a_file_named_for_a_split_alone_is_cut(tmp_path):
    write(tmp_path, test_txt=LONG)
    assert len(read(open_corpus(str(tmp_path / "test.txt")))["train"][0]) == 90


SENTENCES = [[f"Document {i} has a first line.", f"It ends with line {i}."] for i in range(40)]


def sentences(documents):
    return "\n\n".join("\n".join(document) for document in documents)


def test_a_sentence_a_line_has_documents_between_empty_lines(tmp_path):
    write(tmp_path, pretraining_txt=sentences(SENTENCES))
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(sentences(SENTENCES).encode()))
    for name in ("pretraining.txt", "packed.txt.gz"):
        splits = read(open_corpus(str(tmp_path / name)))
        assert [len(splits[split]) for split in SPLITS] == [36, 2, 2]
        assert splits["test"] == [SENTENCES[19], SENTENCES[39]]


def test_the_first_empty_line_may_come_late(tmp_path):
    book = [f"Sentence {i} of a long book." for i in range(10_000)]
    write(tmp_path, train_txt=sentences([book, ["The next one.", "It is short."]]))
    assert list(map(len, read(open_corpus(str(tmp_path)))["train"])) == [9000, 2]


def test_articles_of_wikiextractor_are_documents(tmp_path):
    page = '<doc id="{0}" url="https://a.example?curid={0}" title="T">\nT\n\n{0} &lt; x\n\n</doc>\n'
    text = "".join(page.format(i) for i in range(40))
    (tmp_path / "AA").mkdir()
    (tmp_path / "AA" / "wiki_00").write_text(text)
    (tmp_path / "AA" / "wiki_01.bz2").write_bytes(bz2.compress(page.format(40).encode()))
    splits = read(open_corpus(str(tmp_path)))
    assert [len(splits[split]) for split in SPLITS] == [37, 2, 2]
    assert splits["train"][-1] == ["T", "40 < x"]


def json_lines(texts, column="text"):
    return "".join(
        json.dumps({"url": "u", column: text, "timestamp": "t"}) + "\n" for text in texts
    )


def test_rows_of_json_are_documents(tmp_path):
    write(tmp_path, **{"c4-train_00000-of-00002_jsonl": json_lines(["one\n\nmore", "", "two"])})
    packed = gzip.compress(json_lines(["three"]).encode())
    (tmp_path / "c4-train.00001-of-00002.json.gz").write_bytes(packed)
    write(tmp_path, **{"c4-validation_00000-of-00001_json": json_lines(["four"])})
    splits = read(open_corpus(str(tmp_path)))
    assert splits["train"] == [["one", "more"], ["two"], ["three"]]
    assert splits["validation"] == [["four"]]


def test_rows_are_known_by_what_they_are(tmp_path):
    """WikiExtractor's --json writes files without a suffix."""
    write(tmp_path, AA__wiki_00=json_lines(["one"]))
    (tmp_path / "AA" / "wiki.00").rename(tmp_path / "AA" / "wiki_00")
    assert read(open_corpus(str(tmp_path)))["train"] == [["one"]]


def test_the_column_is_named(tmp_path):
    write(tmp_path, a_jsonl=json_lines(["body of it"], "content"))
    spec = str(tmp_path / "a.jsonl")
    assert read(open_corpus(spec, text_column="content"))["train"] == [["body of it"]]
    assert read(open_corpus(spec, text_column="url"))["train"] == [["u"]]
    with pytest.raises(UserError, match="a.jsonl, row 1: .*'text'.*content.*text_column"):
        open_corpus(spec)
    write(tmp_path, a_json='[{"content": "b"}]')
    with pytest.raises(UserError, match="a.json, row 1: .*'text'.*content.*text_column"):
        read(open_corpus(str(tmp_path / "a.json")))
    columns = {open_corpus(spec, text_column=name).fingerprint for name in ("content", "url")}
    assert len(columns) == 2


def test_wikitext_in_rows_is_joined_to_articles(tmp_path):
    lines = ["", " = A = \n", "", " one <unk> \n", "", " = B = \n", "", " two \n"]
    write(tmp_path, a_jsonl=json_lines(lines))
    documents = read(open_corpus(str(tmp_path)))["train"]
    assert documents == [["= A =", "one [UNK]"], ["= B =", "two"]]


def test_a_mixed_folder_reads_each_file_in_its_way(tmp_path):
    write(tmp_path, a_txt="wrapped\n\nlines", b_jsonl=json_lines(["row 1", "row 2"]))
    write(tmp_path, c_md=sentences(SENTENCES[:2]), d_tokens=" \n = H = \n \n <unk> \n")
    documents = read(open_corpus(str(tmp_path)))["train"]
    assert documents == [
        ["wrapped", "lines"], ["row 1"], ["row 2"], *SENTENCES[:2], ["= H =", "[UNK]"]
    ]  # fmt: skip


def test_the_fingerprint_tells_how_text_is_read(tmp_path):
    """Text whose layout is detected differently than by older versions has another fingerprint."""
    write(tmp_path, a_txt=sentences(SENTENCES), b_txt=LONG)
    layouts = {}
    for name in "ab":
        digest = hashlib.sha256((tmp_path / f"{name}.txt").read_bytes()).hexdigest()
        older = hashlib.sha256(json.dumps([["train", digest]]).encode()).hexdigest()
        layouts[name] = open_corpus(str(tmp_path / f"{name}.txt")).fingerprint == older
    assert layouts == {"a": False, "b": True}


def test_the_fingerprint_is_of_the_text(tmp_path):
    write(tmp_path, a__train_txt="x", a__test_txt="y", b__train_txt="x", b__dev_txt="y")
    write(tmp_path, c__train_txt="x", c__test_txt="z", d__my_train_txt="x", d__my_test_txt="y")
    a, b, c, d = (open_corpus(str(tmp_path / name)).fingerprint for name in "abcd")
    assert a == d and len({a, b, c}) == 3


def test_what_is_not_there(tmp_path):
    (tmp_path / "empty").mkdir()
    for spec, message in {
        str(tmp_path / "gone.txt"): "no such file",
        f"{tmp_path}/*.txt": "no such file",
        str(tmp_path / "empty"): "no text in this folder",
        "": "empty",
        ",": "empty",
    }.items():
        with pytest.raises(UserError, match=message):
            open_corpus(spec)


def test_a_binary_file_is_named(tmp_path):
    write(tmp_path, good_txt=LONG)
    (tmp_path / "bad.txt").write_bytes(b"\x89PNG\0\0")
    with pytest.raises(UserError, match="bad.txt"):
        open_corpus(str(tmp_path))


ARTICLE = " \n = {} = \n \n one <unk> \n"


@pytest.mark.parametrize(
    "pattern, words",
    [
        ("wikitext-2__wiki_{}_tokens", ("train", "valid", "test")),
        ("wikitext-2-raw-v1__wiki_{}_raw", ("train", "valid", "test")),
        ("wikitext-2__{}_raw", ("train", "validation", "test")),
        ("{}_txt", ("train", "valid", "test")),
    ],
)
def test_wikitext_from_files(tmp_path, pattern, words):
    for word, split in zip(words, SPLITS, strict=True):
        write(tmp_path, **{pattern.format(word): ARTICLE.format(split)})
    corpus = open_corpus("wikitext-2", str(tmp_path))
    assert corpus.name == "wikitext-2"
    assert read(corpus) == {split: [[f"= {split} =", "one [UNK]"]] for split in SPLITS}


def test_wikitext_prefers_raw_files_and_never_mixes(tmp_path):
    for kind in ("tokens", "raw"):
        for word in ("train", "valid", "test"):
            write(tmp_path, **{f"wikitext-2__wiki_{word}_{kind}": kind})
    assert read(open_corpus("wikitext-2", str(tmp_path)))["test"] == [["raw"]]
    (tmp_path / "wikitext-2" / "wiki.test.raw").unlink()
    splits = read(open_corpus("wikitext-2", str(tmp_path)))
    assert [splits[split] for split in SPLITS] == [[["tokens"]]] * 3


def test_one_wikitext_is_not_taken_for_the_other(tmp_path, offline):
    folder = tmp_path / "wikitext-103"
    for word in ("train", "valid", "test"):
        write(folder, **{f"wiki_{word}_tokens": "text"})
    assert read(open_corpus("wikitext-103", str(folder)))["test"] == [["text"]]
    with pytest.raises(UserError, match="data_dir"):
        read(open_corpus("wikitext-2", str(folder)))


def test_wikitext_2_has_its_articles(shared_data):
    corpus = open_corpus("wikitext-2", str(shared_data))
    counts = {split: sum(1 for _ in corpus.splits[split]()) for split in SPLITS}
    assert counts == {"train": 600, "validation": 60, "test": 60}


@pytest.fixture
def offline(monkeypatch):
    """The hub is not reachable, whatever the machine."""
    datasets = pytest.importorskip("datasets")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("spec", ["wikitext-103", "hf:nobody/nothing", "hf:imdb:plain"])
def test_an_unreachable_hub(offline, monkeypatch, tmp_path, spec):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    corpus = open_corpus(spec)  # needs no network: prepared shards are found without it
    with pytest.raises(UserError) as caught:
        read(corpus)
    message = str(caught.value)
    assert "corpus" in message and "\n" not in message
    assert ("data_dir" in message) == (spec == "wikitext-103")


@pytest.fixture
def hub_set(monkeypatch, tmp_path):
    """Makes a data set that `datasets` loads from JSON lines on the disk."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def make(**splits):
        folder = tmp_path / "set"
        folder.mkdir()
        for split, rows in splits.items():
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{split}.jsonl").write_text(lines)
        return f"hf:{folder}"

    return make


def test_rows_of_a_hub_set_are_documents(hub_set):
    rows = [{"text": f"row {i}\n\nmore", "label": i} for i in range(20)] + [
        {"text": "", "label": 1}
    ]
    splits = read(open_corpus(hub_set(train=rows, test=[{"text": "held out", "label": 0}])))
    assert splits["test"] == [["held out"]]
    assert splits["validation"] == [["row 18", "more"]]
    assert len(splits["train"]) == 19


def test_wikitext_rows_are_joined_to_articles(hub_set):
    rows = [
        {"page": line}
        for line in ("", " = A = \n", "", " one <unk> \n", "", " = B = \n", "", " two \n")
    ]
    splits = read(open_corpus(hub_set(train=rows, validation=rows, test=rows)))
    assert splits["train"] == [["= A =", "one [UNK]"], ["= B =", "two"]]


def test_hub_sets_without_one_text_column_or_training_split(hub_set):
    spec = hub_set(train=[{"question": "a", "answer": "b"}])
    with pytest.raises(UserError, match="question.*answer"):
        read(open_corpus(spec))


def test_hub_sets_without_a_training_split(hub_set):
    with pytest.raises(UserError, match="no train split"):
        read(open_corpus(hub_set(test=[{"text": "a"}])))


def test_the_column_of_a_hub_set_is_named(hub_set):
    spec = hub_set(train=[{"text": "a", "summary": "b"}])
    assert read(open_corpus(spec, text_column="summary"))["train"] == [["b"]]
    with pytest.raises(UserError, match="'body'.*text_column.*text.*summary"):
        read(open_corpus(spec, text_column="body"))
    assert open_corpus(spec).fingerprint != open_corpus(spec, text_column="summary").fingerprint


def test_a_hub_folder_is_known_by_its_content(hub_set, monkeypatch, tmp_path):
    spec = hub_set(train=[{"text": "a"}])
    folder = Path(spec.removeprefix("hf:"))
    shutil.copytree(folder, tmp_path / "copy" / "set")
    first = open_corpus(spec).fingerprint
    assert open_corpus(f"hf:{tmp_path / 'copy' / 'set'}").fingerprint == first
    relative = []
    for parent in (folder.parent, tmp_path / "copy"):
        monkeypatch.chdir(parent)
        relative.append(open_corpus("hf:./set").fingerprint)
        (Path("set") / "train.jsonl").write_text('{"text": "b"}\n')
        relative.append(open_corpus("hf:./set").fingerprint)
        assert read(open_corpus("hf:./set"))["train"] == [["b"]]
    assert relative[0] == relative[2] == first and relative[1] == relative[3] != first
    (folder / ".cache").mkdir()
    (folder / ".cache" / "note").write_text("hidden")
    assert open_corpus(spec).fingerprint == relative[1]
