"""The content of metrics.json, from the facts of a run's stages."""

import json

from tfdistill.deployment.variants import FLOAT32_FILE, INT8_FILE
from tfdistill.run.metrics import TEACHER_FILE, TEACHER_INT8_FILE, collect

MADE_FROM = {"recipe": "distilbert", "teacher": "", "student_init": "first", "reads_teacher": True}


def exported(teacher=True, int8=True):
    files = {
        FLOAT32_FILE: {"bytes": 700, "latency_ms": 4.0, "agreement": 1.0},
        INT8_FILE: {"bytes": 200, "latency_ms": 3.0, "agreement": 0.98},
        TEACHER_FILE: {"bytes": 1400, "latency_ms": 8.0},
        TEACHER_INT8_FILE: {"bytes": 500, "latency_ms": 6.0},
    }
    left_out = set() if teacher else {TEACHER_FILE, TEACHER_INT8_FILE}
    left_out |= set() if int8 else {INT8_FILE}
    return {name: facts for name, facts in files.items() if name not in left_out}


def scored(teacher=True):
    models = {"unigram": {"top1": 0.05}, "teacher": {"top1": 0.4}, "student": {"top1": 0.38}}
    return models if teacher else {key: models[key] for key in ("unigram", "student")}


def test_collect():
    table = scored()
    found = collect("sample", table, {}, exported(), MADE_FROM)
    assert (found["corpus"], found["split"]) == ("sample", "test")
    assert {"python", "tensorflow", "keras"} <= found["versions"].keys()
    # Size and latency of one file.
    student, teacher = found["models"]["student"], found["models"]["teacher"]
    files = {
        "float32": {"bytes": 700, "latency_ms": 4.0},
        "int8": {"bytes": 200, "latency_ms": 3.0},
    }
    assert student == {"top1": 0.38, **files["int8"], "file": INT8_FILE, "files": files}
    assert (teacher["bytes"], teacher["latency_ms"], teacher["file"]) == (
        *(1400, 8.0),
        TEACHER_FILE,
    )
    verdict = {name: round(c["value"], 6) for name, c in found["verdict"].items()}
    assert verdict == {"quality": round(0.33 / 0.35, 6), "speed": 2.0, "size": 0.4}
    assert found["conclusion"]["state"] == "not shown"  # nothing tells the sampling error
    assert "not trained" in found["teacher_answers"]["text"]
    assert found["export"].keys() == {FLOAT32_FILE, INT8_FILE}  # the teacher's do not ship
    assert table["student"] == {"top1": 0.38}  # what was stored is not changed
    assert json.loads(json.dumps(found)) == found


def test_collect_without_a_teacher():
    made_from = MADE_FROM | {"recipe": "mlm", "reads_teacher": False}
    found = collect("sample", scored(False), {}, exported(teacher=False), made_from)
    assert found["verdict"] == found["conclusion"] == found["teacher_answers"] == {}
    assert found["models"]["student"]["bytes"] == 200


def test_collect_without_an_int8_file():
    found = collect("sample", scored(), {}, exported(int8=False), MADE_FROM)
    assert found["models"]["student"]["file"] == FLOAT32_FILE
    assert found["models"]["student"]["bytes"] == 700
    assert found["verdict"]["size"]["value"] == 0.5 and found["export"].keys() == {FLOAT32_FILE}
