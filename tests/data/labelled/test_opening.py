"""Labelled data from settings: formats by content, splits, checks, messages, real data sets."""

import collections
import dataclasses
import json
import subprocess
import sys

import pytest

from tfdistill.data.labelled import hub
from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.examples import LabelledData, Reading, TextExample
from tfdistill.data.labelled.glue import glue_set, read_glue
from tfdistill.data.labelled.opening import open_labelled
from tfdistill.data.labelled.statistics import facts_of
from tfdistill.system.errors import UserError

ROWS = [(f"text {i} of many", "no" if i % 3 else "yes") for i in range(60)]
CSV = "text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS)


@pytest.fixture
def write(tmp_path):
    """Writes a file and returns its path."""

    def written(name, text):
        (tmp_path / name).write_bytes(text.encode())
        return str(tmp_path / name)

    return written


def test_one_file(write):
    path = write("reviews.csv", CSV)
    data = open_labelled("text", train_data=path)
    assert data.name == "reviews" and data.labels == ("no", "yes")
    assert {split: len(part) for split, part in data.splits.items()} == {
        "train": 48,
        "validation": 6,
        "test": 6,
    }
    assert data.facts["cut_from_train"] == ["validation", "test"]
    assert data.facts["classes"] == pytest.approx({"no": 2 / 3, "yes": 1 / 3}, abs=0.01)
    assert data.facts["words_mean"] == 4
    assert data.notes[0] == f"{path}: text from 'text', label from 'label'"
    assert "validation 6 (cut from train)" in data.notes[1]
    assert data.splits["train"][0].origin.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.txt", CSV.replace(",", "\t")),
        ("a.jsonl", "".join(json.dumps({"text": a, "label": b}) + "\n" for a, b in ROWS)),
        ("a.json", json.dumps([{"text": a, "label": b} for a, b in ROWS])),
        ("a", "\ufeff" + CSV.replace(",", ";")),
        ("a.csv", CSV.replace("\n", "\r\n")),
        ("a.csv", CSV.replace("\n", "\r")),
    ],
)
def test_the_format_does_not_matter(write, name, text):
    expected = open_labelled("text", train_data=write("reviews.csv", CSV))
    found = open_labelled("text", train_data=write(name, text))
    assert found.fingerprint == expected.fingerprint


def test_halves_of_surrogate_pairs_are_replaced(write):
    lines = [json.dumps({"text": f"\ud83d {i} \U0001f600", "label": i % 2}) for i in range(40)]
    data = open_labelled("text", train_data=write("a.jsonl", "\n".join(lines)))
    assert data.splits["train"][0].text.startswith("\ufffd ")
    assert data.splits["train"][0].text.endswith(" \U0001f600")


def test_digest():
    data = LabelledData("a", {"train": [TextExample("a", None, "x")]}, ("x",))
    same = LabelledData("b", {"train": [TextExample("a", None, "x", origin="7")]}, ("x",), ("n",))
    assert data.fingerprint == same.fingerprint
    others = [
        {"labels": ("y",)},
        {"splits": {"test": data.splits["train"]}},
        {"splits": {"train": [TextExample("a", "", "x")]}},
        {"splits": {"train": data.splits["train"] * 2}},
    ]
    digests = {dataclasses.replace(data, **each).fingerprint for each in others}
    assert len(digests | {data.fingerprint}) == 5


def test_files_of_all_splits(write):
    data = open_labelled(
        "text",
        train_data=write("train.csv", CSV),
        validation_data=write("v.csv", "text,label\nnew,yes\n"),
        test_data=write("t.csv", "text,label\nnewer,no\ntext 4 of many,no\n"),
    )
    assert [len(part) for part in data.splits.values()] == [60, 1, 2]
    assert data.facts["duplicates"] == {"validation": 0, "test": 1}
    assert data.notes[-1].startswith("1 of 2 test examples are also in train: models are measured")
    repeated = write("r.csv", CSV + "text 4 of many,no\n" * 3)
    assert (
        "3 of 63 train examples repeat others"
        in open_labelled(
            "text", train_data=repeated, validation_data=repeated, test_data=repeated
        ).notes
    )
    alone = open_labelled("text", test_data=write("t.csv", CSV))
    assert list(alone.splits) == ["test"] and alone.labels == ("no", "yes")


def test_pairs_in_one_split_alone(write):
    single = write("single.csv", CSV)
    rows = (f"first {number},second {number},{number % 2}" for number in range(60))
    pairs = write("pairs.csv", "text1,text2,label\n" + "\n".join(rows))
    for train, test, here, there in (
        (single, pairs, "pairs of texts", "single texts"),
        (pairs, single, "single texts", "pairs of texts"),
    ):
        message = f"{test}: {here}, and the training data have {there}: .* set text_column"
        with pytest.raises(UserError, match=message):
            open_labelled("text", train_data=train, test_data=test)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "name the data with labels: train_data, a file, or task_data"),
        ({"validation_data": "a"}, "train_data, a file"),
        ({"train_data": "none.csv"}, "^train_data=none.csv: no such file$"),
        ({"task_data": "glue/x", "data_dir": "."}, "task_data=glue/x: GLUE has glue/cola, "),
        ({"task_data": "imdb"}, "task_data=imdb: no such data set"),
        ({"task_data": "glue/sst2"}, "needs data_dir: the folder of GLUE, or of SST-2"),
        ({"task_data": "glue/sst2", "data_dir": "none"}, "data_dir=none: no such folder"),
        ({"task_data": "glue/sst2", "data_dir": "tests"}, "train.tsv: no such file"),
        ({"task_data": "glue/stsb", "data_dir": "."}, "has numbers, .* set task"),
        ({"task_data": "glue/rte", "test_data": "a"}, "leave out test_data"),
    ],
)
def test_data_that_are_not_there(settings, message):
    with pytest.raises(UserError, match=message):
        open_labelled("text", **settings)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("text", " \n", "the file is empty"),
        ("text", "text,label\n", "no examples in it"),
        ("text", "text,label\na,x\nb,x\n", "one class only, 'x'"),
        ("text", "text,label\n" + "".join(f"{i},{i}\n" for i in range(60)), "60 classes for 60"),
        ("text", "text,label\na,\nb,x\n", "a.csv:2: no label: correct it, or set skip_bad_rows"),
        ("numbers", "text,label\n" + "".join(f"{i},2\n" for i in range(60)), "all labels are 2"),
        ("tags", "token tag\n" + "a O\n\n" * 60, "which column|one tag only|one column"),
        ("text", '{"data": [{"paragraphs": []}]}', "looks like squad.*reads csv, tsv, jsonl"),
        ("spans", "question,context\na,b\n", "a.csv:1: not JSON"),
    ],
)
def test_files_that_cannot_be_learnt(write, kind, text, message):
    with pytest.raises(UserError, match=message) as caught:
        open_labelled(kind, train_data=write("a.csv", text))
    assert "\n" not in str(caught.value)


def test_a_class_that_train_lacks(write):
    files = {
        "train_data": write("train.csv", CSV),
        "test_data": write("t.csv", "text,label\na,yes\nb,Yes\n"),
    }
    with pytest.raises(UserError, match=r"t.csv:3: .*no label 'Yes', only no, yes.*skip_bad_rows"):
        open_labelled("text", **files)
    data = open_labelled("text", **files, reading=Reading(skip_bad_rows=True))
    assert len(data.splits["test"]) == 1 and data.facts["bad_rows"] == 1
    assert any("1 bad rows left out" in note for note in data.notes)
    files["test_data"] = write("t.csv", "text,label\na,Yes\nb,Yes\n")
    with pytest.raises(UserError, match="test: none of its labels is in the training data"):
        open_labelled("text", **files, reading=Reading(skip_bad_rows=True))


def test_a_tag_that_train_lacks(write):
    data = open_labelled(
        "tags",
        train_data=write("train.txt", "".join(f"a{i} O\nb B-x\n\n" for i in range(40))),
        test_data=write("test.txt", "a O\nb B-y\n"),
    )
    assert data.labels == ("B-x", "B-y", "O")
    assert any("1 held-out words have tags that train lacks: B-y" in note for note in data.notes)


UNLABELLED = {
    "t.csv": "id,text\n7,new\n8,newer\n",
    "u.csv": "text,label\nnew,\nnewer, \n",
    "v.csv": "text\nnew\nnewer\n",
    "t.jsonl": '{"text": "new", "label": null}\n{"text": "newer"}\n',
    "u.jsonl": '{"text": "new"}\n{"text": "newer"}\n',
}


@pytest.mark.parametrize("name", UNLABELLED)
def test_test_data_without_labels_are_left_out(write, name):
    """Validation data are the test split then, as told in a line; without them, it is cut."""
    files = dict(train_data=write("train.csv", CSV), test_data=write(name, UNLABELLED[name]))
    data = open_labelled("text", **files)
    assert len(data.splits["test"]) == 6 and "test" in data.facts["cut_from_train"]
    assert any(f"{name}: without labels, left out as test split" in note for note in data.notes)
    held_out = write("valid.csv", "text,label\nsome,yes\n")
    data = open_labelled("text", **files, validation_data=held_out)
    assert [e.text for e in data.splits["test"]] == ["some"]
    assert data.facts["cut_from_train"] == ["validation"] and not data.facts["bad_rows"]
    assert f"{held_out}: is the test split instead" in data.notes
    if name != "t.csv":  # whose first column may be a label
        with pytest.raises(UserError, match="label_column|is left for the label"):
            open_labelled("text", train_data=files["test_data"])
        with pytest.raises(UserError, match="no row has a label: .* the command predict") as caught:
            open_labelled("text", test_data=files["test_data"])
        assert "\n" not in str(caught.value)


def test_other_tasks_have_test_data_without_labels_too(write):
    rows = [{"tokens": [f"a{i}", "b"], "tags": ["O", "B-x"]} for i in range(40)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    test = write("t.jsonl", '{"tokens": ["a", "b"]}\n')
    data = open_labelled("tags", train_data=write("a.jsonl", lines), test_data=test)
    assert len(data.splits["test"]) == 4 and any("without labels" in n for n in data.notes)
    with pytest.raises(UserError, match="no row has a label: set tag_column"):
        open_labelled("tags", test_data=test)
    train = write("a.conll", "".join(f"a{i}\tO\nb\tB-x\n\n" for i in range(40)))
    for content in ("a\nb\n", "a\t\nb\t\n", "token\na\n"):
        test = write("t.conll", content)
        data = open_labelled("tags", train_data=train, test_data=test)
        assert len(data.splits["test"]) == 4 and any("without labels" in n for n in data.notes)
        with pytest.raises(UserError, match="no row has a label: set tag_column"):
            open_labelled("tags", test_data=test)
    with pytest.raises(UserError, match="one column only"):
        open_labelled("tags", train_data=test)
    scores = "text,score\n" + "".join(f"text {i},{i}\n" for i in range(40))
    test = write("t.csv", "text,score\nnew,\n")
    data = open_labelled("numbers", train_data=write("a.csv", scores), test_data=test)
    assert len(data.splits["test"]) == 5 and any("without labels" in n for n in data.notes)
    answer = {"text": ["b"], "answer_start": [2]}
    rows = [{"question": f"q{i}", "context": f"a b {i}", "answers": answer} for i in range(40)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    test = write("q.jsonl", '{"question": "q", "context": "a b"}\n')
    data = open_labelled("spans", train_data=write("b.jsonl", lines), test_data=test)
    assert len(data.splits["test"]) == 4 and any("without labels" in n for n in data.notes)
    # A test file whose answers are hidden, unless the training data have such questions.
    empty = {"question": "q", "context": "a b", "answers": {"text": [], "answer_start": []}}
    test = write("q.jsonl", json.dumps(empty) + "\n")
    hidden = open_labelled("spans", train_data=write("b.jsonl", lines), test_data=test)
    assert len(hidden.splits["test"]) == 4 and any("without labels" in n for n in hidden.notes)
    train = write("b.jsonl", lines + json.dumps(empty | {"context": "a"}) + "\n")
    data = open_labelled("spans", train_data=train, test_data=test)
    assert [example.answers for example in data.splits["test"]] == [()]


@pytest.mark.parametrize(("kind", "own"), [("text", "1"), ("text", "-1"), ("numbers", "1")])
def test_labels_of_minus_one_are_unknown_unless_train_has_them(write, kind, own):
    rows = "".join(f"text {i},{i % 2 * int(own)}\n" for i in range(40))
    train, test = write("a.csv", f"text,label\n{rows}"), write("t.csv", "text,label\nx,-1\ny,-1\n")
    data = open_labelled(kind, train_data=train, test_data=test)
    assert any("t.csv: without labels" in note for note in data.notes) == (own == "1")
    assert (len(data.splits["test"]) == 2) == (own == "-1")


def test_the_label_column_of_the_training_data_counts(write):
    train = CSV.replace("label", "author")
    test = write("t.csv", "author,text,n\nno,newer,1\n")
    files = dict(train_data=write("train.csv", train), test_data=test)
    data = open_labelled("text", **files, reading=Reading(label="author"))
    assert [(e.text, e.label) for e in data.splits["test"]] == [("newer", "no")]
    both = open_labelled("text", **files)
    assert both.splits["test"] == data.splits["test"]
    named = write("t.csv", "text,author\nnewer,no\n")
    alone = open_labelled("text", test_data=named)  # of two columns the other one
    assert alone.splits["test"][0].label == "no"
    partly = write("t.csv", "text,author\nnewer,no\nnew,\n")
    with pytest.raises(UserError, match="t.csv:3: no label"):
        open_labelled("text", train_data=write("train.csv", train), test_data=partly)


def test_a_forced_format(write):
    path = write("a.txt", "text,with a\ttab;label\n" + "x;1\ny;2\n" * 20)
    reading = Reading(text="text,with a\ttab", label="label", format="csv")
    assert open_labelled("text", test_data=path, reading=reading).labels == ("1", "2")
    with pytest.raises(UserError, match="data_format=squad: this task reads csv, tsv, jsonl"):
        open_labelled("text", test_data=path, reading=Reading(format="squad"))


@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a.conll", "a.bio"])
def test_one_token_in_a_line_is_conll(write, name):
    path = write(name, "".join(f"w{i}\tB-x\nin\tO\n\n" for i in range(40)))
    data = open_labelled("tags", train_data=path)
    assert data.labels == ("B-x", "O") and data.facts["entities"]["x"] == len(data.splits["train"])


def test_a_table_of_sentences_for_tagging(write):
    path = write("a.csv", "words,tags\n" + "".join(f"w{i} in,B-x O\n" for i in range(40)))
    assert open_labelled("tags", train_data=path).splits["train"][0].tags == ("B-x", "O")


def test_questions_in_rows(write):
    row = {"question": "what?", "answers": {"text": ["b"], "answer_start": [2]}}
    lines = [json.dumps(row | {"context": f"a b {i}"}) for i in range(40)]
    data = open_labelled("spans", train_data=write("a.jsonl", "\n".join(lines)))
    assert data.splits["train"][0].answers == (("b", 2),) and data.labels == ()


# -- GLUE


def test_cola_has_no_header(write, tmp_path):
    rows = "".join(f'src\t{i % 2}\t*\tHe said "{i}.\n' for i in range(40))
    write("train.tsv", rows)
    write("dev.tsv", rows.replace("He", "She"))
    data = open_labelled("text", task_data="glue/CoLA", data_dir=str(tmp_path))
    assert data.labels == ("unacceptable", "acceptable")
    assert sum(map(len, data.splits.values())) == 80
    first = data.splits["test"][0]
    assert (first.text, first.label) == ('She said "0.', "unacceptable")


def test_mnli_has_two_development_files(write, tmp_path):
    header = "index\tsentence1\tsentence2\tlabel1\tgold_label\n"
    labels = "neutral entailment contradiction".split()
    for name in ("train", "dev_matched", "dev_mismatched"):
        rows = [f"{i}\t{name} {i}\tb {i}\tx\t{labels[i % 3]}\n" for i in range(60)]
        write(f"{name}.tsv", header + "".join(rows))
    for name, text in (("mnli", "dev_matched 0"), ("mnli-mismatched", "dev_mismatched 0")):
        data = open_labelled("text", task_data=f"glue/{name}", data_dir=str(tmp_path))
        assert data.labels == ("entailment", "neutral", "contradiction")
        assert data.splits["test"][0].text == text


# Headers as GLUE publishes them, a row's form, and the class of each label.
PARSES = "sentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\tsentence2_parse"
MNLI = f"index\tpromptID\tpairID\tgenre\t{PARSES}\tsentence1\tsentence2\t"
MNLI_ROW = "{i}\t1\t1n\tfiction\t( a )\t( b )\t(ROOT a)\t(ROOT b)\t{a}\t{b}\t"
ENTAILED = {"entailment": "entailment", "not_entailment": "not_entailment"}
INFERRED = {each: each for each in ("entailment", "neutral", "contradiction")}
PUBLISHED = {
    "qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n",
        "{i}\t{i}\t9{i}\t{a}\t{b}\t{label}\n",
        {"0": "not_duplicate", "1": "duplicate"},
        ["f1", "accuracy"],
    ),
    "qnli": (
        "index\tquestion\tsentence\tlabel\n", "{i}\t{a}\t{b}\t{label}\n", ENTAILED, ["accuracy"],
    ),
    "rte": (
        "index\tsentence1\tsentence2\tlabel\n", "{i}\t{a}\t{b}\t{label}\n", ENTAILED,
        ["accuracy"],
    ),
    "wnli": (
        "index\tsentence1\tsentence2\tlabel\n", "{i}\t{a}\t{b}\t{label}\n",
        {"0": "not_entailment", "1": "entailment"}, ["accuracy"],
    ),
    "mnli": (MNLI + "label1\tgold_label\n", MNLI_ROW + "x\t{label}\n", INFERRED, ["accuracy"]),
    "mnli-mismatched": (
        MNLI + "label1\tgold_label\n", MNLI_ROW + "x\t{label}\n", INFERRED, ["accuracy"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_glue_as_it_is_published(write, tmp_path, name):
    """Columns, names of classes and their order, metrics, dev as test, quotes, broken rows."""
    header, form, labels, metrics = PUBLISHED[name]
    values = list(labels)

    def rows(split):
        return [
            form.format(i=i, a=f'"{split} {i}', b=f"b {i}", label=values[i % len(values)])
            for i in range(60)
        ]

    dev = header.replace("label1\t", "label1\tlabel2\tlabel3\tlabel4\tlabel5\t"), "x\tx\tx\tx\tx\t"
    write("train.tsv", header + "".join(rows("train")))
    for split in ("dev", "dev_matched", "dev_mismatched"):
        lines = "".join(row.replace("\tx\t", "\t" + dev[1]) for row in rows(split))
        write(f"{split}.tsv", dev[0] + lines)
    given = dict(task_data=f"glue/{name}", data_dir=str(tmp_path))
    data = open_labelled("text", **given)
    assert data.labels == tuple(labels.values())
    suffix = {"mnli": "_matched", "mnli-mismatched": "_mismatched"}.get(name, "")
    test = data.splits["test"]
    assert [(e.text, e.pair) for e in test[:2]] == [
        (f'"dev{suffix} 0', "b 0"), (f'"dev{suffix} 1', "b 1")
    ]  # fmt: skip
    assert [e.label for e in test[:3]] == [labels[values[i % len(values)]] for i in range(3)]
    assert list(map(len, data.splits.values())) == [54, 6, 60]
    assert "the development file of GLUE is the test split" in data.notes
    assert list(glue_set(given["task_data"]).metrics) == metrics
    broken = rows("train")
    broken[3] = "3\tbroken\n"
    write("train.tsv", header + "".join(broken))
    with pytest.raises(UserError, match="train.tsv:5: 2 columns, not "):
        open_labelled("text", **given)
    data = open_labelled("text", **given, reading=Reading(skip_bad_rows=True))
    assert data.facts["bad_rows"] == 1 and sum(map(len, data.splits.values())) == 119


@pytest.mark.parametrize(
    ("name", "rows", "counts"),
    [
        ("QNLI", 5463, {"entailment", "not_entailment"}),
        ("WNLI", 71, {"not_entailment", "entailment"}),
        ("CoLA", 1043, {"unacceptable", "acceptable"}),
    ],
)
def test_development_files_of_glue(shared_data, name, rows, counts):
    path = shared_data / "glue" / name / "dev.tsv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    bad = BadRows()
    examples = read_glue(glue_set(f"glue/{name}"), str(path), path.read_text("utf-8"), bad)
    assert len(examples) == rows and {each.label for each in examples} == counts


def test_a_label_that_glue_has_not(write, tmp_path):
    for name in ("train", "dev"):
        write(f"{name}.tsv", "sentence\tlabel\na\t0\nb\tpositive\n")
    with pytest.raises(UserError, match="train.tsv:3: the label 'positive' is none of 0, 1"):
        open_labelled("text", task_data="glue/sst2", data_dir=str(tmp_path))


# -- data sets of the hub


@pytest.fixture
def hub_set(monkeypatch, tmp_path):
    """Saves a data set with features that `datasets` loads from the disk."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def make(features=None, **splits):
        folder = tmp_path / "set"
        folder.mkdir()
        for split, columns in splits.items():
            rows = datasets.Dataset.from_dict(columns, features=features)
            rows.to_parquet(str(folder / f"{split}-00000-of-00001.parquet"))
        return f"hf:{folder}"

    return make


def test_classes_of_a_hub_set_have_names(hub_set):
    import datasets

    names = ["bad", "good"]
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    )
    train = {"sentence": [f"text {i}" for i in range(40)], "label": [1, 0] * 20}
    unknown = {"sentence": ["a", "b"], "label": [-1, -1]}
    spec = hub_set(features, train=train, validation=train, test=unknown)
    data = open_labelled("text", train_data=spec)
    assert data.labels == ("bad", "good") and data.splits["train"][1].label == "bad"
    # The test split has no labels: the validation split is the test split.
    assert data.facts["cut_from_train"] == ["validation"]
    assert data.facts["examples"] == {"train": 36, "validation": 4, "test": 40}
    assert data.facts["duplicates"]["test"] == 36


def test_a_hub_set_of_two_splits(hub_set, write):
    rows = {"text": [a for a, _ in ROWS], "label": [b for _, b in ROWS]}
    few = {"text": ["a", "b"], "label": ["no", "yes"]}
    spec = hub_set(train=rows, validation=few)
    assert open_labelled("text", train_data=spec).facts["examples"]["test"] == 2
    own = write("own.csv", CSV)
    data = open_labelled("text", train_data=spec, test_data=own)
    assert data.facts["examples"] == {"train": 60, "validation": 2, "test": 60}
    data = open_labelled("text", train_data=own, test_data=spec)
    assert data.facts["examples"]["test"] == 2  # its validation split, not its training split


def test_splits_of_a_hub_set_with_other_names():
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"text": ["a"], "label": ["x"]})
    names = ("train", "dev_matched", "dev_other", "test", "unsupervised")
    found = datasets.DatasetDict(dict.fromkeys(names, rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub, "load_hub_set", lambda *names: found)
        tables = hub.hub_tables("hf:a", "train_data")
    assert {split: table.file for split, table in tables.items()} == {
        "train": "hf:a, train",
        "validation": "hf:a, dev_matched",
        "test": "hf:a, test",
    }


def test_tags_of_a_hub_set_have_names(hub_set):
    import datasets

    tags = datasets.Sequence(datasets.ClassLabel(names=["O", "B-x", "I-x"]))
    features = datasets.Features(
        {"tokens": datasets.Sequence(datasets.Value("string")), "ner_tags": tags}
    )
    rows = {"tokens": [["a", f"b{i}"] for i in range(40)], "ner_tags": [[1, 2]] * 39 + [[1, 0]]}
    data = open_labelled("tags", train_data=hub_set(features, train=rows))
    assert data.labels == ("B-x", "I-x", "O")
    assert data.splits["train"][0].tags == ("B-x", "I-x")


def test_questions_of_a_hub_set(hub_set):
    rows = {
        "id": [str(i) for i in range(40)],
        "title": ["t"] * 40,
        "question": ["what?"] * 40,
        "context": [f"{i} a b" for i in range(40)],
        "answers": [{"text": ["a"], "answer_start": [len(str(i)) + 1]} for i in range(40)],
    }
    data = open_labelled("spans", train_data=hub_set(train=rows))
    assert {e.answers[0][0] for e in data.splits["train"]} == {"a"}


# -- real data


def splits_of(data):
    return [len(part) for part in data.splits.values()]


def test_sample_authors():
    data = open_labelled("text", task_data="sample_authors")
    assert len(data.labels) == 5 and "Jane Austen" in data.labels
    texts = [{e.text.casefold() for e in part} for part in data.splits.values()]
    assert not texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2]
    assert len(texts[0]) > 4900 and len(texts[1]) > 450 and len(texts[2]) > 600
    counts = collections.Counter(e.label for e in data.splits["train"])
    assert min(counts.values()) > 900 and max(counts.values()) == 1000


@pytest.mark.parametrize(
    ("name", "kind", "train", "test", "labels"),
    [
        ("mrpc", "text", 3668, 408, ("not_equivalent", "equivalent")),
        ("rte", "text", 2490, 277, ("entailment", "not_entailment")),
        ("stsb", "numbers", 5749, 1500, ()),
        pytest.param(
            *("sst2", "text", 67_349, 872, ("negative", "positive")), marks=pytest.mark.slow
        ),
    ],
)
def test_glue(shared_data, name, kind, train, test, labels):
    data = open_labelled(kind, task_data=f"glue/{name}", data_dir=str(shared_data / "glue"))
    assert splits_of(data)[0] + splits_of(data)[1] == train and splits_of(data)[2] == test
    assert data.labels == labels and data.facts["bad_rows"] == 0


def test_quotes_of_rte_are_kept(shared_data):
    data = open_labelled("text", task_data="glue/rte", data_dir=str(shared_data / "glue"))
    lines = (shared_data / "glue" / "RTE" / "train.tsv").read_text("utf-8").split("\n")[1:]
    texts = {tuple(line.split("\t")[1:3]) for line in lines if line}
    found = {(e.text, e.pair) for split in ("train", "validation") for e in data.splits[split]}
    assert found == texts
    # As any TSV, too.
    path = str(shared_data / "glue" / "RTE" / "train.tsv")
    reading = Reading(text="sentence1", pair="sentence2", label="label")
    data = open_labelled("text", test_data=path, reading=reading)
    assert {(e.text, e.pair) for e in data.splits["test"]} == texts


def test_banking77(shared_data):
    folder = shared_data / "banking77"
    data = open_labelled(
        "text", train_data=str(folder / "train.csv"), test_data=str(folder / "test.csv")
    )
    assert len(data.labels) == 77 and splits_of(data)[2] == 3080
    assert splits_of(data)[0] + splits_of(data)[1] == 10_003


@pytest.mark.parametrize(
    ("files", "counts", "types"),
    [
        (("mit-restaurant/train.txt", "", "mit-restaurant/test.txt"), (7660, 0, 1521), 8),
        pytest.param(
            tuple(
                f"wnut17/{name}"
                for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
            ),
            *((3394, 1009, 1287), 6),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            tuple(f"ncbi-disease/{name}.tsv" for name in ("train", "devel", "test")),
            *((5424, 923, 940), 1),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_tagging(shared_data, files, counts, types):
    settings = {
        f"{split}_data": str(shared_data / file) if file else ""
        for split, file in zip(("train", "validation", "test"), files, strict=True)
    }
    data = open_labelled("tags", **settings)
    found = splits_of(data)
    if not counts[1]:
        found = [found[0] + found[1], 0, found[2]]
    assert tuple(found) == counts
    assert len(data.facts["entities"]) == types and len(data.labels) == 2 * types + 1


def test_wikigold_is_iob1(shared_data):
    data = open_labelled("tags", train_data=str(shared_data / "wikigold" / "wikigold.conll.txt"))
    assert any("IOB1, turned into BIO: 3,558" in note for note in data.notes)
    tags = [tag for part in data.splits.values() for e in part for tag in e.tags]
    assert sum(tag.startswith("B-") for tag in tags) == 3558 and len(tags) == 39_007


def test_question_answering(shared_data):
    data = open_labelled(
        "spans",
        train_data=str(shared_data / "squadshifts" / "new_wiki_v1.0.json"),
        test_data=str(shared_data / "xquad" / "xquad.en.json"),
    )
    train, validation, test = data.splits.values()
    assert len(train) + len(validation) == 7938 and len(test) == 1190
    assert not {e.group for e in train} & {e.group for e in validation}
    assert facts_of(data.splits, ())["unanswerable"] == 0


def test_no_tensorflow():
    code = (
        "import sys; from tfdistill.data.labelled.opening import open_labelled;"
        "open_labelled('text', task_data='sample_authors'); print('tensorflow' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_a_named_set_and_files_are_refused():
    with pytest.raises(UserError, match="leave out test_data, or empty it for them: task_data=$"):
        open_labelled("text", task_data="sample_authors", test_data="reviews.csv")
