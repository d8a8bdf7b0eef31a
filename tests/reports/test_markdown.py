"""results.md: every row with its difference and error."""

from tfdistill.reports.markdown import head, results_markdown
from tfdistill.tasks.masked_lm import MaskedLM


def rows_of(text):
    cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in cells}


def test_rows(metrics):
    metrics["models"]["student"] |= {"layers": 3, "width": 256}
    rows = rows_of(results_markdown(metrics))
    assert rows["student"] == ["3 × 256", "4.188", "29.5 ± 0.6", "47.9", "", ""]
    assert rows["the same start and steps, no teacher"] == (
        ["", "4.333", "27.8", "46.7", "+1.8 ± 0.4", "−0.146 ± 0.009"]
    )
    assert rows["teacher"][4:] == ["−1.7 ± 0.4", "+0.206 ± 0.012"]
    assert "a start from text, the same steps, no teacher" in rows
    assert {len(cells) for cells in rows.values()} == {len(head(MaskedLM())) - 1, 2}
    assert rows["student, int8"] == ["16.6", "2.35"]


def test_verdict_and_notes(metrics):
    text = results_markdown(metrics)
    assert "- quality **passed**: 93.2 % (at least 90.0 %)" in text
    assert "- verdict: passed: quality; failed: speed, size" in text
    assert "- gain from the teacher's outputs: +1.8 ± 0.4" in text and "resamples" in text


def test_a_student_alone():
    student = {"loss": 2.0, "top1": 0.5, "top5": 0.75}
    text = results_markdown({"corpus": "sample", "split": "test", "models": {"student": student}})
    assert rows_of(text).keys() == {"model", "---", "student"} and "verdict" not in text
