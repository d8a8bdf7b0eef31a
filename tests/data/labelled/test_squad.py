"""SQuAD's JSON: answers that stand where they should, unanswerable questions, other forms."""

import json

import pytest

from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.squad import read_squad
from tfdistill.system.errors import UserError

CONTEXT = "The whale sank the ship."


def file_with(*questions, title="Whales"):
    paragraph = {"context": CONTEXT, "qas": list(questions)}
    return json.dumps({"version": "x", "data": [{"title": title, "paragraphs": [paragraph]}]})


def question(answers, **more):
    answers = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": "q7", "question": "What sank?", "answers": answers} | more


def test_answers():
    found = read_squad(
        "a.json", file_with(question([("the ship", 15), ("ship", 19), ("ship", 19)])), BadRows()
    )
    (example,) = found
    assert example.answers == (("the ship", 15), ("ship", 19))
    assert (example.id, example.group, example.origin) == ("q7", "Whales", "a.json:q7")
    assert (example.question, example.context) == ("What sank?", CONTEXT)


def test_unanswerable_questions():
    plausible = [{"text": "ship", "answer_start": 19}]
    row = question([], is_impossible=True, plausible_answers=plausible)
    assert read_squad("a.json", file_with(row), BadRows())[0].answers == ()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (question([("ship", 18)]), "'ship' is not at character 18"),
        (question([("ship", -5)]), "not at character -5"),
        (question([("ship", "19")]), "no whole number"),
        (question([("", 3)]), "an empty answer"),
        (question([("ship", 19)], question=" "), "no question"),
        ({"id": "q7", "question": "What?"}, "no answers"),
        *(
            ({"id": "q7", "question": "What?", "answers": answers}, "needs a text and an")
            for answers in ([{"text": "ship"}], ["ship"], {"text": ["ship"], "answer_start": []}, 5)
        ),
    ],
)
def test_bad_questions(row, problem):
    with pytest.raises(UserError, match=f"a.json:q7: .*{problem}.*skip_bad_rows"):
        read_squad("a.json", file_with(row), BadRows())
    bad = BadRows(skip=True)
    assert read_squad("a.json", file_with(row), bad) == [] and bad.total == 1


@pytest.mark.parametrize("text", ['{"data": [{"title": 1}]}', '{"rows": []}', "[1]", '{"data": 5}'])
def test_other_forms(text):
    with pytest.raises(UserError, match="^a.json: .*SQuAD's form is"):
        read_squad("a.json", text, BadRows())


def test_no_json():
    with pytest.raises(UserError, match="^a.json:2: not JSON"):
        read_squad("a.json", '{"data":\n[', BadRows())
