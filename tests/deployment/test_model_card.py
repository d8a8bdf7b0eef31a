"""The model card states the facts, and its example runs unchanged."""

import re
import subprocess
import sys

import pytest

from tfdistill.deployment.model_card import write_model_card
from tfdistill.deployment.predictor import Predictor
from tfdistill.tasks.masked_lm import MaskedLM

TASK = MaskedLM()

METRICS = {
    "corpus": "novels",
    "split": "test",
    "models": {
        "unigram": {"loss": 6.5, "top1": 0.0581, "top5": 0.15},
        "teacher": {"loss": 3.123, "top1": 0.412, "top5": 0.61},
        "student": {
            "loss": 3.456,
            "top1": 0.387,
            "top5": 0.58,
            "agreement": 0.712,
            "standard_errors": {"top1": 0.0051, "loss": 0.03},
        },
        "baseline_start": {"loss": 3.5, "top1": 0.381, "top5": 0.57, "agreement": 0.612},
    },
    "run": {"learning_rates": {"student": 3e-4, "teacher": 1.5e-4, "baseline_start": 3e-4}},
    "teacher_answers": {"text": "+0.6 ± 0.4 points of top-1 (not shown)"},
}
EXPORT = {
    "student.tflite": {
        "agreement": 1.0,
        "positions": 512,
        "latency_ms": 1.234,
        "loss_keras": 3.4549,
        "loss_lite": 3.455,
        "top1_keras": 0.371,
        "top1_lite": 0.3711,
        "bytes": 123_456,
    },
    "student_int8.tflite": {
        "agreement": 0.987,
        "positions": 512,
        "latency_ms": 0.567,
        "loss_keras": 3.4549,
        "loss_lite": 3.489,
        "top1_keras": 0.371,
        "lost": "the loss is 3.489 nats where the model has 3.455 nats",
        "top1_lite": 0.3623,
        "bytes": 45_678,
    },
}


@pytest.fixture
def folder(exported):
    model, folder = exported
    write_model_card(TASK, folder / "model_card.md", model.config, EXPORT, METRICS)
    return folder


def test_the_example_runs(folder):
    code = example(folder)
    assert len(code.splitlines()) <= 16
    assert run(code, folder) == filled(folder, SENTENCE)


def test_the_example_takes_a_text_that_is_longer_than_the_file(folder):
    """It takes a part of the text with the hidden word, here the last 14 tokens."""
    words = ["the", "whale", "ship", "sea", "captain"] * 6
    words = [*words, "sank", "[MASK]", "boat"]
    code = example(folder).replace(SENTENCE, " ".join(words))
    assert run(code, folder) in [filled(folder, " ".join(words[-n:])) for n in range(3, 15)]


SENTENCE = "The whale [MASK] the ship."


def example(folder):
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "model_card.md").read_text(), re.S)
    return code


def run(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def filled(folder, text):
    (found,) = Predictor.open(str(folder / "student_int8.tflite"), TASK).predict(text)
    return str([token for token, _ in found])


def test_facts(folder):
    card = (folder / "model_card.md").read_text()
    for fact in (
        "novels",
        "Peak learning rate: teacher 0.00015, student 0.0003.",
        "2 layers",
        "3.456",
        "| 38.7 ± 0.5 |",
        "| the same start without a teacher | 3.500 | 38.1 |",
        "Gain from the teacher's outputs: +0.6 ± 0.4 points of top-1 (not shown).",
        "71.2%",
        "98.7% of 512",
        "0.57",
        "0.05",
        "| the Keras model | float32 | | | 3.455 | 37.1% | |",
        "`student_int8.tflite`: the loss is 3.489 nats where",
        "| `student.tflite` | float32 | 0.12 | 1.23 | 3.455 | 37.1% |",
        "| `student_int8.tflite` | int8, a scale per row | 0.05 | 0.57 | 3.489 | 36.2% |",
        "`student.tflite` holds the student",
        "| `logits` |",
    ):
        assert fact in card
    assert "To be filled in by whoever publishes" in card
    named = set(re.findall(r"\| input \| `(\w+)` \| int32 \|", card))
    is_bert = card.startswith("# bert")
    assert named == {"input_ids", "attention_mask", "masked_positions"} | (
        {"token_type_ids"} if is_bert else set()
    )


def test_a_model_without_a_run(folder, bert):
    write_model_card(TASK, folder / "card.md", bert.config, EXPORT)
    assert "Not measured." in (folder / "card.md").read_text()
