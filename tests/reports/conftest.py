"""Results of an invented run, with every part that a run may have."""

import copy

import pytest

MODELS = {
    "unigram": {"loss": 6.712, "top1": 0.0583, "top5": 0.1523},
    "teacher": {
        "loss": 3.9812,
        "top1": 0.3127,
        "top5": 0.5011,
        "parameters": 16_512_378,
        "parameters_without_embeddings": 885_504,
        "standard_errors": {"top1": 0.0058, "loss": 0.0312},
        "bytes": 66_051_234,
        "latency_ms": 9.4321,
        "file": "teacher.tflite",
        "files": {
            "float32": {"bytes": 66_051_234, "latency_ms": 9.4321},
            "int8": {"bytes": 19_823_456, "latency_ms": 4.1234},
        },
    },
    "student_start": {"loss": 5.1034, "top1": 0.2011, "top5": 0.3541, "agreement": 0.4123},
    "student": {
        "loss": 4.1876,
        "top1": 0.2954,
        "top5": 0.4789,
        "agreement": 0.6789,
        "parameters": 16_114_810,
        "parameters_without_embeddings": 487_936,
        "standard_errors": {"top1": 0.0061, "loss": 0.0298},
        "bytes": 16_623_456,
        "latency_ms": 2.3456,
        "file": "student_int8.tflite",
        "files": {
            "float32": {"bytes": 64_459_240, "latency_ms": 6.5},
            "int8": {"bytes": 16_623_456, "latency_ms": 2.3456},
        },
    },
    "baseline": {"loss": 5.2345, "top1": 0.1899, "top5": 0.3432, "agreement": 0.3456},
    "baseline_start": {"loss": 4.3333, "top1": 0.2777, "top5": 0.4666, "agreement": 0.6111},
    "baseline_text": {"loss": 4.6789, "top1": 0.2345, "top5": 0.4123, "agreement": 0.4321},
}


def difference(top1, loss):
    """A difference of top-1 and loss, each as (value, standard error)."""
    pair = "value", "standard_error"
    return {
        "top1": dict(zip(pair, top1, strict=True)),
        "loss": dict(zip(pair, loss, strict=True)),
    }


DIFFERENCES = {
    "teacher-unigram": difference((0.2544, 0.0057), (-2.7308, 0.0288)),
    "student-teacher": difference((-0.0173, 0.0042), (0.2064, 0.0123)),
    "student-baseline_start": difference((0.0177, 0.0036), (-0.1457, 0.0085)),
}
VERDICT = {
    "quality": {
        "value": 0.932,
        "threshold": 0.9,
        "passed": True,
        "state": "passed",
        "definition": "share of the teacher's gain over the unigram baseline",
        "beside": {"student's top-1 / teacher's": 0.9447},
    },
    "speed": {
        "value": 1.4511,
        "threshold": 1.5,
        "passed": False,
        "state": "failed",
        "beside": {},
        "definition": "teacher's latency ÷ student's at equal precision (float32), LiteRT, 1 "
        "thread, one [MASK]",
    },
    "size": {
        "value": 0.8386,
        "threshold": 0.6,
        "passed": False,
        "state": "failed",
        "definition": "student's TFLite file / teacher's, both int8, bytes",
        "beside": {"the int8 file, which ships, / teacher's float32 file": 0.2517},
    },
}
PARITY = {
    "largest_logit": 12.5,
    "loss_keras": 4.1901,
    "top1_keras": 0.29,
    "top1_lite": 0.29,
    "positions": 512,
}
METRICS = {
    "corpus": "wikitext-2",
    "split": "test",
    "models": MODELS,
    "differences": DIFFERENCES,
    "verdict": VERDICT,
    "conclusion": {"state": "failed", "text": "passed: quality; failed: speed, size"},
    "teacher_answers": {
        "text": "+1.8 ± 0.4 points of top-1 (better): the student minus the same start without a "
        "teacher",
        "top1": "better",
        "loss": "better",
    },
    "export": {
        "student.tflite": {
            **PARITY,
            "max_abs_difference": 1.5e-5,
            "loss_lite": 4.1902,
            "agreement": 1.0,
            "bytes": 64_459_240,
            "latency_ms": 6.5,
        },
        "student_int8.tflite": {
            **PARITY,
            "max_abs_difference": 0.21,
            "loss_lite": 4.2011,
            "agreement": 0.9727,
            "bytes": 16_623_456,
            "latency_ms": 2.3456,
        },
    },
    "seconds": {"prepare": 4.2, "teacher": 312.7, "student": 201.3, "export": 31.0},
    "peak_memory_bytes": 2_345_678_901,
    "versions": {"python": "3.11.2", "tensorflow": "2.21.0", "keras": "3.15.1"},
    "run": {
        "command": "python -m tfdistill.train --corpus=wikitext-2 --baseline=both",
        "flags": {"corpus": "wikitext-2", "baseline": "both"},
        "recipe": "distilbert",
        "student_init": "every_other",
        "seed": 7,
        "steps": {"teacher": 1600, "student": 900, "baseline_start": 900},
        "learning_rates": {"teacher": 1e-3, "student": 5e-4, "baseline_start": 5e-4},
        "rows_in_a_step": 32,
        "tokens_in_a_row": 128,
        "shapes": {
            "student": {
                "model_type": "bert",
                "num_hidden_layers": 3,
                "hidden_size": 256,
                "num_attention_heads": 4,
                "intermediate_size": 1024,
                "vocab_size": 30_522,
            }
        },
        "corpus": {
            "name": "wikitext-2",
            "splits": {"train": {"documents": 600, "tokens": 2_428_601, "bytes": 10_796_148}},
        },
        "machine": {
            "device": "cpu",
            "precision": "float32",
            "jit_compile": True,
            "replicas": 1,
            "processor": "Some Processor 3000",
            "cores": 2,
            "memory_bytes": 25_300_000_000,
        },
        "date": "2026-05-04T03:02:01+00:00",
    },
}


@pytest.fixture
def metrics():
    return copy.deepcopy(METRICS)


def curve(steps, start, end, terms=()):
    """Logged rows of a loss that falls from start to end."""
    rows = []
    for step in range(20, steps + 1, 20):
        loss = end + (start - end) * 0.985 ** (step / 8)
        row = {"step": step, "loss": loss, "learning_rate": 1e-3, "gradient_norm": 1.0}
        row["loss_mlm"] = loss + 0.1 * (step // 20 % 3)
        row |= {f"loss_{term}": loss / 9 for term in terms}
        if step % 100 == 0:
            row["validation_loss"] = loss + 0.2
        rows.append(row)
    return rows


@pytest.fixture
def curves():
    return {
        "teacher": curve(1600, 10.1, 3.9),
        "student": curve(900, 6.1, 4.1, terms=("ce", "cos")),
        "baseline": curve(900, 10.2, 5.2),
        "baseline_start": curve(900, 6.1, 4.4),
        "baseline_text": curve(900, 6.5, 4.7),
    }


@pytest.fixture
def examples():
    return [
        {
            "text": "The whale [MASK] the ship.",
            "truth": "rammed",
            "teacher": [("struck", 0.3312), ("sank", 0.2011), ("<b>&", 0.1), ("rammed", 0.04)],
            "student": [("struck", 0.2899), ("hit", 0.1822), ("##ed", 0.1), ("saw", 0.05)],
        },
        {
            "text": "She was born in [MASK] and studied law.",
            "teacher": [("london", 0.2101), ("1901", 0.1203)],
            "student": [("1901", 0.1522), ("paris", 0.1102)],
        },
    ]
