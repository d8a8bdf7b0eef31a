"""The metric of the file for MediaPipe, with MediaPipe's tokens."""

import dataclasses

import numpy as np
import pytest

from tfdistill import tasks
from tfdistill.data.labelled.examples import TextExample
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.mediapipe import MEDIAPIPE_FILE, write_mediapipe
from tfdistill.deployment.mediapipe_check import measure_mediapipe
from tfdistill.deployment.mediapipe_tokens import MediaPipeTokenizer
from tfdistill.deployment.tflite import export_tflite_files
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.heads.embedding import EmbeddingHead
from tfdistill.models.model import Model
from tfdistill.tasks.sentence_embedding import cosines

LABELS = ("bad", "good", "odd")
LENGTHS = 8, 16
WORDS = "the a whale ship sea captain sank saw night old boat storm".split()


@pytest.fixture(scope="module")
def texts():
    """Texts whose first word MediaPipe reads otherwise, and the same without accents."""
    generator = np.random.default_rng(5)
    rows = [" ".join(generator.choice(WORDS, size=6)) for _ in range(40)]
    return [row.replace("a", "à", 1).replace("e", "é", 1) for row in rows], rows


@pytest.fixture(scope="module")
def make(bert, add_noise, tokenizer, tmp_path_factory):
    """A function that exports the model of a head, after a change to it: (model, folder)."""

    def make(head, change=lambda model: None):
        model = Model(Encoder(bert.config), head, seed=None)
        add_noise(model, 0.3, np.random.default_rng(1))
        change(model)
        folder = tmp_path_factory.mktemp("model")
        tokenizer.save(folder, "bert", LENGTHS[-1])
        export_tflite_files(model, {folder / "student.tflite": None}, LENGTHS)
        return model, folder

    return make


def measured(task, model, folder, tokenizer, examples):
    """What the file for MediaPipe has on examples."""
    assert write_mediapipe(model.head, tokenizer, folder, examples)[1] == ""
    batches = task.evaluation_batches(task.encode(examples, tokenizer, LENGTHS[-1]))
    found = measure_mediapipe(task, model, folder / MEDIAPIPE_FILE, batches)
    assert found.pop("latency_ms") > 0
    return found


def rows_of(ids):
    rows = np.zeros((2, LENGTHS[-1]), np.int32)
    rows[0, : len(ids)], rows[1, : len(ids)] = ids, 1
    return {"input_ids": rows[0], "attention_mask": rows[1]}


def label_of(logits):
    return LABELS[int(np.argmax(logits))]


def test_classes_of_texts(make, bert, tokenizer, vocabulary, texts):
    accented, plain = texts
    theirs = MediaPipeTokenizer(vocabulary)
    rows = [rows_of(theirs.encode(text, LENGTHS[-1])) for text in accented]
    rows += [rows_of(theirs.encode(text, LENGTHS[-1])) for text in plain]

    def centre(model):
        """Makes the classes about as likely as each other."""
        inputs = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        logits = model(inputs)["logits"].numpy()
        model.head.dense.bias.assign(model.head.dense.bias.numpy() - logits.mean(axis=0))

    model, folder = make(ClassificationHead(bert.config, LABELS, "mean"), centre)
    lite = LiteModel(folder / "student.tflite")
    found = [label_of(lite.logits(row, LENGTHS[-1])) for row in rows]
    found, own = found[: len(plain)], found[len(plain) :]
    assert np.mean([one != other for one, other in zip(found, own, strict=True)]) > 0.2
    task = tasks.get("text_classification").bound(LABELS)
    given = task, model, folder, tokenizer
    examples = [TextExample(*pair) for pair in zip(accented, [None] * 40, found, strict=True)]
    assert measured(*given, examples) == {"accuracy_lite": 1.0}
    wrong = LABELS[(LABELS.index(found[0]) + 1) % len(LABELS)]
    examples[0] = dataclasses.replace(examples[0], label=wrong)
    assert measured(*given, examples) == {"accuracy_lite": 39 / 40}
    examples = [TextExample(*pair) for pair in zip(plain, [None] * 40, own, strict=True)]
    assert measured(*given, examples) == {"accuracy_lite": 1.0}


def test_vectors_of_texts(make, bert, tokenizer, texts):
    model, folder = make(EmbeddingHead(bert.config))
    lite = LiteModel(folder / "student.tflite")
    pairs = list(zip(texts[1][::2], texts[1][1::2], strict=True))

    def vectors(place):
        rows = [tokenizer.encode(pair[place], LENGTHS[-1]) for pair in pairs]
        names = "input_ids", "attention_mask"
        return np.stack([lite.logits(dict(zip(names, row, strict=True))) for row in rows])

    scores = cosines(vectors(0), vectors(1))
    task = tasks.get("sentence_embedding")
    for sign in (1, -1):
        examples = [
            TextExample(*pair, float(sign * score))
            for pair, score in zip(pairs, scores, strict=True)
        ]
        scored = task.of_data(type("Data", (), {"splits": {"test": examples}, "name": "pairs"}))
        found = measured(scored, model, folder, tokenizer, examples)
        assert found == {"spearman_lite": pytest.approx(sign, abs=1e-6)}
    examples = [TextExample(*pair) for pair in pairs]  # compared with the model's cosines
    found = measured(task, model, folder, tokenizer, examples)
    assert found == {"spearman_lite": pytest.approx(1.0, abs=1e-6)}
