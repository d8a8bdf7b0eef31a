"""metrics.json, read again."""

import math

from tfdistill.run.stored_metrics import read_metrics
from tfdistill.system import strict_json


def test_a_correlation_of_constant_predictions(tmp_path):
    """It is null in the file, for other readers, and NaN again here, where a table shows it."""
    model = {"pearson": math.nan, "spearman": 0.5, "standard_errors": {"pearson": None}}
    written = {"task": "regression", "models": {"student": model}, "peak_memory_bytes": None}
    (tmp_path / "metrics.json").write_text(strict_json.dumps(written))
    assert '"pearson": null' in (tmp_path / "metrics.json").read_text()
    found = read_metrics(tmp_path / "metrics.json")
    student = found["models"]["student"]
    assert math.isnan(student["pearson"]) and student["spearman"] == 0.5
    assert student["standard_errors"] == {"pearson": None} and found["peak_memory_bytes"] is None
