"""The report's tables of scores: by class, or by type of entity."""

import pytest

from tfdistill.reports.labelled_section import labelled_sections


@pytest.mark.parametrize(
    ("facts", "heading", "counted"),
    [
        ("per_class", "Scores of each class", "examples"),
        ("per_type", "Scores of each type of entity", "entities"),
    ],
)
def test_scores_are_named_for_what_they_count(facts, heading, counted):
    scores = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 1234}
    models = {key: {facts: {"SEA": scores}} for key in ("teacher", "student")}
    (shown,) = labelled_sections({"models": models})
    assert f"<h2>{heading}</h2>" in shown and counted in shown and "1,234" in shown
    assert shown.count("33.3") == 2 and "50.0" in shown and "25.0" in shown
