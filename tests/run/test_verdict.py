"""The verdict in every state that a run can leave, without TensorFlow."""

import subprocess
import sys

import pytest

from tfdistill.run.verdict import conclusion, is_above, same_start, teacher_answers, verdict

MADE_FROM = {"recipe": "distilbert", "reads_teacher": True, "student_init": "every_other"}


def files(float32, int8, latency):
    return {
        "float32": {"bytes": float32, "latency_ms": latency},
        "int8": {"bytes": int8, "latency_ms": latency / 2},
    }


def models(student=0.4601, teacher=0.5, unigram=0.1):
    return {
        "unigram": {"top1": unigram},
        "teacher": {"top1": teacher, "files": files(1000, 500, 6.0)},
        "student": {"top1": student, "files": files(700, 300, 4.0)},
    }


def difference(value, error, loss=0.0, loss_error=0.01):
    return {
        "top1": {"value": value, "standard_error": error},
        "loss": {"value": loss, "standard_error": loss_error},
    }


def differences(gain=0.4, lead=0.02, error=0.005, start="baseline_start"):
    found = {"teacher-unigram": difference(gain, error)}
    return found | ({f"student-{start}": difference(lead, error)} if start else {})


def test_at_its_thresholds():
    found = verdict(models(), differences(), MADE_FROM)
    values = {name: criterion["value"] for name, criterion in found.items()}
    assert values == pytest.approx({"quality": 0.9, "speed": 1.5, "size": 0.6}, rel=1e-3)
    assert {name: c["threshold"] for name, c in found.items()} == {
        "quality": 0.9,
        "speed": 1.5,
        "size": 0.6,
    }
    assert all(c["passed"] and c["state"] == "passed" for c in found.values())
    assert conclusion(found) == {"state": "passed", "text": "passed: quality, speed, size"}


@pytest.mark.parametrize(
    "change, failed",
    [
        ({"top1": 0.459}, "quality"),
        ({"files": files(700, 300, 4.1)}, "speed"),
        ({"files": files(600, 301, 4.0)}, "size"),
    ],
)
def test_each_criterion_fails_alone(change, failed):
    measured = models()
    measured["student"] |= change
    found = verdict(measured, differences(), MADE_FROM)
    assert [name for name, c in found.items() if c["state"] == "failed"] == [failed]
    assert [name for name, c in found.items() if not c["passed"]] == [failed]
    assert (
        conclusion(found)["state"] == "failed" and f"failed: {failed}" in conclusion(found)["text"]
    )


def test_a_student_that_learned_next_to_nothing():
    """Teacher 7.6 %, student 7.8 %, frequencies 5.8 %, the same start without a teacher 7.9 %."""
    measured = models(student=0.078, teacher=0.076, unigram=0.058)
    found = verdict(measured, differences(0.018, -0.001, 0.004), MADE_FROM)
    quality = found["quality"]
    assert (quality["state"], quality["passed"]) == ("not shown", False)
    assert quality["value"] == pytest.approx(0.02 / 0.018)  # of the gain, not 103 % of everything
    assert quality["beside"] == {"student's top-1 / teacher's": pytest.approx(0.078 / 0.076)}
    assert "not above the same start" in quality["reason"] and "−0.1 ± 0.4" in quality["reason"]
    assert conclusion(found)["state"] == "not shown"
    text = conclusion(found)["text"]
    assert text.startswith("not shown: quality, because the student is not above the same start")
    assert text.endswith("(−0.1 ± 0.4 points of top-1); passed: speed, size")


def test_quality_is_the_share_of_the_gain():
    """Half-way between frequencies and teacher: 89 % of its top-1, and 50 % of its gain."""
    found = verdict(models(0.4, 0.45, 0.35), differences(0.1, 0.03), MADE_FROM)["quality"]
    assert found["value"] == pytest.approx(0.5) and found["state"] == "failed"
    assert found["beside"]["student's top-1 / teacher's"] == pytest.approx(8 / 9)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"gain": 0.01, "error": 0.005}, "the teacher is not above the unigram baseline"),
        ({"gain": -0.2}, "the teacher is not above the unigram baseline"),
        ({"lead": 0.01, "error": 0.005}, "not above the same start"),
        ({"start": None}, "was not trained (baseline=start)"),
        ({"start": "baseline"}, "was not trained (baseline=start)"),
        ({"start": "baseline_text"}, "was not trained (baseline=start)"),
    ],
)
def test_what_is_not_shown(changes, reason):
    found = verdict(models(), differences(**changes), MADE_FROM)
    assert found["quality"]["state"] == "not shown" and reason in found["quality"]["reason"]
    assert not found["quality"]["passed"] and found["speed"]["state"] == "passed"
    assert reason in conclusion(found)["text"] and conclusion(found)["state"] == "not shown"


@pytest.mark.parametrize("error", [None, 0.0])
def test_rows_without_a_spread_show_nothing(error):
    """One row, or two that differ alike."""
    found = verdict(models(), differences(error=error), MADE_FROM)
    assert found["quality"]["state"] == "not shown"
    assert "too short for a standard error" in found["quality"]["reason"]
    worth = teacher_answers(differences(error=error), MADE_FROM)
    assert worth["top1"] == "not shown"
    assert not is_above({"value": 1.0, "standard_error": error}) and not is_above(None)
    assert not is_above({"value": float("nan"), "standard_error": 0.1})


def test_a_teacher_that_guesses_as_the_frequencies_do():
    """A difference of nothing in every row is no lack of text."""
    found = differences() | {"teacher-unigram": difference(0.0, 0.0)}
    reason = verdict(models(teacher=0.1), found, MADE_FROM)["quality"]["reason"]
    assert reason.startswith("the teacher is not above the unigram baseline")


def test_a_student_that_starts_at_random():
    """The random baseline has its start."""
    made_from = MADE_FROM | {"student_init": "random"}
    assert verdict(models(), differences(start="baseline"), made_from)["quality"]["passed"]
    assert "worth" not in teacher_answers(differences(start="baseline"), made_from)
    assert teacher_answers(differences(start="baseline"), made_from)["top1"] == "better"


def test_a_student_that_starts_from_the_text():
    made_from = MADE_FROM | {"student_init": "text"}
    assert same_start(differences(start="baseline_text"), made_from) == "baseline_text"
    assert same_start(differences(), made_from) == "baseline_start"


def test_masked_lm_alone_from_a_cut_teacher():
    """No loss reads the teacher, so that the same start without one is the student itself."""
    made_from = MADE_FROM | {"recipe": "mlm", "reads_teacher": False}
    found = verdict(models(), differences(lead=0.0, error=0.0), made_from)
    assert "recipe=mlm" in found["quality"]["reason"]
    assert teacher_answers(differences(lead=0.0, error=0.0), made_from) == {}


def test_a_super_student_is_judged_by_its_parts():
    made_from = MADE_FROM | {"recipe": "autotinybert", "trains_parts": True}
    found = verdict(models(student=0.2), differences(), made_from)
    assert {name: each["state"] for name, each in found.items()} == dict.fromkeys(
        ("quality", "speed", "size"), "not shown"
    )
    assert not any(each["passed"] for each in found.values())
    assert found["size"]["value"] == 0.6  # of the whole, for those who look
    text = conclusion(found)["text"]
    assert text.startswith("not shown: quality, speed, size, because the student is a super-")
    assert text.count("only parts are used") == 1
    assert teacher_answers(differences(), made_from) == {}


def test_no_verdict_without_a_teacher():
    measured = models()
    del measured["teacher"]
    assert verdict(measured, {}, MADE_FROM | {"reads_teacher": False}) == {}
    assert conclusion({}) == {}


def test_no_verdict_with_a_teacher_that_has_no_head_but_an_answer_to_its_worth():
    measured = models()
    measured["teacher"] = {"parameters": 5}
    assert verdict(measured, differences(), MADE_FROM) == {}
    assert teacher_answers(differences(), MADE_FROM)["top1"] == "better"


def test_without_an_int8_file_of_the_student():
    measured = models()
    del measured["student"]["files"]["int8"]
    size = verdict(measured, differences(), MADE_FROM)["size"]
    assert size["value"] == 0.7 and not size["passed"] and "both float32" in size["definition"]
    assert size["beside"] == {}


def test_sizes_beside_the_one_that_counts():
    found = verdict(models(), differences(), MADE_FROM)
    assert "both int8" in found["size"]["definition"]
    assert found["size"]["beside"] == {
        "both float32": 0.7,
        "the int8 file, which ships, / teacher's float32 file": 0.3,
    }
    assert found["speed"]["beside"] == {"both int8": 1.5}


@pytest.mark.parametrize("teacher", [0.0, 0.1])
def test_a_teacher_without_gain_does_not_divide_by_zero(teacher):
    found = verdict(models(teacher=teacher), differences(teacher - 0.1), MADE_FROM)["quality"]
    assert found["value"] is None and found["state"] == "not shown"


def test_the_teachers_answers_in_words():
    found = differences()
    found["student-baseline_start"] = difference(0.005, 0.004, -0.034, 0.006)
    answers = teacher_answers(found, MADE_FROM)
    assert (answers["top1"], answers["loss"]) == ("not shown", "better")
    assert answers["text"].startswith(
        "+0.5 ± 0.4 points of top-1 (not shown), −0.034 ± 0.006 nats (better): "
    )
    found["student-baseline_start"] = difference(-0.01, 0.004, 0.034, 0.006)
    answers = teacher_answers(found, MADE_FROM)
    assert (answers["top1"], answers["loss"]) == ("worse", "worse")
    assert "not trained" in teacher_answers({}, MADE_FROM)["text"]


def test_it_needs_no_tensorflow():
    code = "import sys, tfdistill.run.verdict; assert 'tensorflow' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
