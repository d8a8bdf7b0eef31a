"""The predict command."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tfdistill
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.tflite import export_tflite
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.answer_rules import AnswerRules
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.spans import SpanHead
from tfdistill.models.heads.tokens import TokenHead
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.models.model import Model

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_TENSORFLOW = """
import sys
from tfdistill import predict
try:
    predict.main()
finally:
    assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""


@pytest.fixture(scope="module")
def folder(tiny_text, tmp_path_factory):
    """Folder with a classifier in `classes`, its file, and a model of spans in `spans`."""
    folder = tmp_path_factory.mktemp("predict")
    tokenizer = load_tokenizer(str(tiny_text / "vocabulary"))
    config = named_config("L-1_H-8_A-2", vocab_size=tokenizer.vocab_size)
    for name, head in {
        "classes": ClassificationHead(config, ("bad", "good")),
        "spans": SpanHead(config),
        "tags": TokenHead(config, ("B-SEA", "O")),
    }.items():
        model = Model(Encoder(config), head, seed=1)
        head.dense.bias.assign(np.array([0.0, 1.0]))
        save_model(model, folder / name)
        tokenizer.save(folder / name, "bert", 24)
        export_tflite(model, folder / name / "student.tflite", length=24)
    return folder


def printed(run_command, capfd, *flags):
    assert run_command("predict", *flags) == 0
    return capfd.readouterr().out


@pytest.mark.parametrize("model", ["classes", "classes/student.tflite"])
def test_a_text_or_a_pair(folder, run_command, capfd, model):
    flag = f"--model={folder / model}"
    lines = printed(run_command, capfd, flag, "the whale").splitlines()
    assert [line.split()[1] for line in lines] == ["good", "bad"]
    assert len(printed(run_command, capfd, flag, "the whale", "--top_k=1").splitlines()) == 1
    out = json.loads(printed(run_command, capfd, flag, "the whale", "the sea", "--json"))
    assert (out["text"], out["text_pair"]) == ("the whale", "the sea")
    assert out["prediction"]["label"] == "good"
    assert sum(out["prediction"]["probabilities"].values()) == pytest.approx(1.0)


def test_a_file_needs_no_tensorflow(folder):
    words = [f"--model={folder}/classes/student.tflite", "the whale", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prediction"]["label"] == "good"


def test_a_question(folder, run_command, capfd):
    question = ["--question=who sank", "--context=the whale sank the ship"]
    out = json.loads(
        printed(run_command, capfd, f"--model={folder / 'spans'}", *question, "--json")
    )
    found = out["prediction"]
    assert out["context"][found["start"] : found["end"]] == found["answer"]
    flags = [f"--model={folder / 'spans'}", *question, "--json", "--max_answer_length=1"]
    short = json.loads(printed(run_command, capfd, *flags))["prediction"]["answer"]
    assert len(short.split()) <= 1


@pytest.mark.parametrize("may_abstain", [True, False])
def test_the_evaluation_reads_answers_as_the_model_says(
    folder, run_command, capfd, tmp_path, may_abstain
):
    """Whatever the test data are: here no question has an answer."""
    model = folder / "spans"
    config = json.loads((model / "config.json").read_text())
    assert config["tfdistill_answers"] == AnswerRules().values()
    rules = AnswerRules(may_abstain, doc_stride=5, max_answer_length=3).values()
    changed = tmp_path / "model"
    shutil.copytree(model, changed)
    (changed / "config.json").write_text(json.dumps(config | {"tfdistill_answers": rules}))
    context = "the whale sank the ship and the boat in the sea in the night. " * 3
    qas = [{"id": str(i), "question": word, "answers": []} for i, word in enumerate("abc")]
    paragraphs = [{"context": context, "qas": qas}]
    (tmp_path / "test.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    rows = [json.dumps({"question": each["question"], "context": context}) for each in qas]
    (tmp_path / "in.jsonl").write_text("\n".join(rows))
    lines = printed(run_command, capfd, f"--model={changed}", f"--input={tmp_path / 'in.jsonl'}")
    (tmp_path / "in.json").write_text((tmp_path / "test.json").read_text().replace("answers", "x"))
    again = printed(run_command, capfd, f"--model={changed}", f"--input={tmp_path / 'in.json'}")
    ids = [
        {"id": each["id"]} | json.loads(line)
        for each, line in zip(qas, lines.splitlines(), strict=True)
    ]
    assert list(map(json.loads, again.splitlines())) == ids  # SQuAD's JSON, without answers
    answers = [json.loads(line)["prediction"]["answer"] for line in lines.splitlines()]
    data = [f"--test_data={tmp_path / 'test.json'}", "--task=question_answering", "--json"]
    assert run_command("evaluate", f"--model={changed}", *data, "--length=24") == 0
    found = json.loads(capfd.readouterr().out)["models"]["model"]
    assert found["exact_match"] == np.mean([not answer for answer in answers])
    assert may_abstain or all(answers)


def test_the_evaluation_has_the_length_of_the_model(folder, run_command, capfd, tmp_path):
    """Unless another is given: predictions have that length, too."""
    data, model = tmp_path / "test.csv", folder / "classes"
    rows = [f"{'the whale and the sea ' * 8},{label}" for label in ("bad", "good", "good")]
    data.write_text("\n".join(["text,label", *rows]))
    words = [f"--model={model}", "--task=text_classification", f"--test_data={data}"]

    def loss(*more):
        assert run_command("evaluate", *words, *more, "--json") == 0
        return json.loads(capfd.readouterr().out)["models"]["model"]["loss"]

    own = loss()
    assert own == loss("--length=24") != loss("--length=64")
    assert run_command("evaluate", *words) == 0
    assert "points" not in capfd.readouterr().out  # one model has no differences
    assert run_command("predict", f"--model={model}", f"--input={data}") == 0
    assert "3 of 3 were cut at 24 tokens" in capfd.readouterr().err
    settings = dict(task="text_classification", test_data=str(data))
    assert tfdistill.evaluate_model(model, **settings)["models"]["model"]["loss"] == own


@pytest.mark.parametrize("model", ["classes", "classes/student.tflite"])
def test_the_evaluation_tells_how_it_read_the_data(folder, run_command, capfd, tmp_path, model):
    """Of a file as of a folder: the columns, and the rows that are left out."""
    data = tmp_path / "test.csv"
    data.write_text("review,label\nthe whale,good\na ship\nthe sea,bad\n")
    words = [f"--model={folder / model}", "--task=text_classification", f"--test_data={data}"]
    assert run_command("evaluate", *words, "--skip_bad_rows") == 0
    out = capfd.readouterr().out
    assert "test.csv: text from 'review', label from 'label'" in out
    assert "test 2;" in out and "test.csv: 1 " in out
    assert "test: 2 examples of 7.0 tokens in the mean; 0.0 % are cut at 24 tokens" in out
    assert run_command("evaluate", *words, "--skip_bad_rows", "--json") == 0
    assert json.loads(capfd.readouterr().out)["models"]["model"]["accuracy"] == 0.5


def test_a_file_tells_the_evaluation_its_task(folder, run_command, capfd, tmp_path):
    data = tmp_path / "test.csv"
    data.write_text("text,label\nthe whale,good\nthe sea,bad\nthe ship,good\n")
    file = folder / "classes" / "student.tflite"
    words = [f"--model={file}", f"--test_data={data}"]
    assert run_command("evaluate", *words, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["task"] == "text_classification"
    assert found["models"]["model"]["accuracy"] == pytest.approx(2 / 3)
    for task in ("regression", "masked_lm"):
        assert run_command("evaluate", *words, f"--task={task}") == 1
        line = f"error: --task={task}: {file} is a file of text_classification: leave --task out\n"
        assert capfd.readouterr().err == line
    os.truncate(shutil.copy(file, tmp_path), 5000)
    assert run_command("evaluate", f"--model={tmp_path / file.name}", words[1]) == 1
    error = capfd.readouterr().err
    assert "student.tflite is no readable TFLite file" in error and error.count("\n") == 1


def test_files_of_texts(folder, run_command, capfd, tmp_path):
    rows = [{"id": str(i), "sentence": f'the "whale", {i}\nsank'} for i in range(40)]
    with open(tmp_path / "in.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "sentence"])
        writer.writeheader()
        writer.writerows(rows)
    rows[-1]["note"] = "only here"
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    results = {}
    for given, wanted in (("in.csv", "out.jsonl"), ("in.jsonl", "out.csv")):
        flags = [f"--input={tmp_path / given}", f"--output={tmp_path / wanted}"]
        out = printed(run_command, capfd, f"--model={folder / 'classes'}", *flags)
        assert "40 predictions" in out
    assert run_command("predict", f"--model={folder / 'classes'}", *flags, "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert told == {"output": str(tmp_path / "out.csv"), "predictions": 40}
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    with open(tmp_path / "out.csv", newline="") as file:
        table = list(csv.DictReader(file))
    for row, result, line in zip(rows, results, table, strict=True):
        assert result["sentence"] == line["sentence"] == row["sentence"]
        assert line["note"] == row.get("note", "")
        assert result["prediction"]["label"] == line["prediction"] == "good"
        share = pytest.approx(result["prediction"]["probability"], abs=1e-5)
        assert float(line["probability"]) == share
    flags = [f"--input={tmp_path / 'in.jsonl'}", "--text_column=id"]
    lines = printed(run_command, capfd, f"--model={folder / 'classes'}", *flags).splitlines()
    assert json.loads(lines[0])["id"] == "0"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give one of: a text in quotes"),
        (["a", "--question=b"], "give one of: a text in quotes"),
        (["--question=b"], "--context is empty"),
        (["--question=a", "--context=b"], "--question: the task of"),
        (["--input={}/gone.csv"], "gone.csv: no such file"),
        (["a", "--output={}/out.csv"], "--output is for the predictions of a file"),
        (["--input={}/other.csv", "--output={}/o.xls"], "must end in .csv, .tsv, .jsonl, .conll"),
        (
            ["--input={}/other.csv", "--output={}/./other.csv"],
            "is the file of --input: name another",
        ),
        (["--input={}/other.csv"], "which column is the text?"),
        (["--input={}/ragged.csv"], "ragged.csv:3: 1 columns, not 2 as in the first line"),
        (["--input={}/header.csv"], "holds no rows"),
        (["--input={}/bad.jsonl"], "bad.jsonl:2: not a JSON object"),
        (["--input={}/number.jsonl"], "number.jsonl:1: no text in the column text"),
    ],
)
def test_wrong_input_is_one_line(folder, run_command, capfd, tmp_path, flags, message):
    (tmp_path / "other.csv").write_text("a,b,c\n1,2,3\n")
    (tmp_path / "ragged.csv").write_text("text,b\n1,2\n1\n")
    (tmp_path / "header.csv").write_text("text,b\n")
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n[1]\n')
    (tmp_path / "number.jsonl").write_text('{"text": 1}\n')
    flags = [flag.format(tmp_path) for flag in flags]
    assert run_command("predict", f"--model={folder / 'classes'}", *flags) == 1
    error = capfd.readouterr().err.strip()
    assert message in error and len(error.splitlines()) == 1


def test_words_are_tagged_as_they_are(folder, run_command, capfd, tmp_path):
    (tmp_path / "in.txt").write_text("don't\tO\n9.5\tB-SEA\n\nU.S.\tO\n")
    flags = [f"--model={folder / 'tags/student.tflite'}", f"--input={tmp_path / 'in.txt'}"]
    printed(run_command, capfd, *flags, f"--output={tmp_path / 'out.conll'}")
    assert (tmp_path / "out.conll").read_text() == "don't\tO\n9.5\tO\n\nU.S.\tO\n\n"
    lines = printed(run_command, capfd, *flags).splitlines()
    assert [json.loads(line)["prediction"]["tags"] for line in lines] == [["O", "O"], ["O"]]
