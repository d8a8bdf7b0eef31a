"""SQuAD's JSON, versions 1.1 and 2.0."""

from tfdistill.data.labelled.examples import SpanExample
from tfdistill.system.errors import UserError
from tfdistill.system.strict_json import parse

FORM = '{"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}'


def read_squad(file, text, bad):
    """Reads a file of articles with questions.

    Args:
        file: its name in messages.
        text: its content.
        bad: `BadRows`, here questions.

    Returns:
        list of `SpanExample`; an example's group is its article.

    Raises:
        UserError: the file has another form, or an answer does not stand where it should.
    """
    return _read(file, text, bad, _example)


def read_questions(file, text, bad):
    """Reads the questions of a file, whatever their answers.

    Args:
        file, text, bad: as for `read_squad`.

    Returns:
        list of dicts of "id", "question" and "context".

    Raises:
        UserError: the file has another form, or a question or its context is missing.
    """
    return _read(file, text, bad, _question)


def _read(file, text, bad, make):
    """Calls `make` for each question of a file: the list of its results."""
    try:
        content = parse(text)
    except ValueError as error:
        line, reason = getattr(error, "lineno", 1), getattr(error, "msg", error)
        raise UserError(f"{file}:{line}: not JSON ({reason}): SQuAD's form is {FORM}") from None
    try:
        return [
            made
            for number, article in enumerate(content["data"], 1)
            for paragraph in article["paragraphs"]
            for made in _made(file, paragraph, article.get("title") or str(number), bad, make)
        ]
    except (KeyError, TypeError, AttributeError) as error:
        missing = f"no {error}" if isinstance(error, KeyError) else "another form"
        raise UserError(f"{file}: {missing}: SQuAD's form is {FORM}") from None


def _made(file, paragraph, title, bad, make):
    context = paragraph["context"]
    for row in paragraph["qas"]:
        if bad.leaves_out(file, [title, context, row]):
            continue
        name = str(row.get("id", row["question"]))
        try:
            yield make((name, row["question"], context), row, title, f"{file}:{name}")
        except ValueError as problem:
            bad.add(file, name, str(problem))


def _example(texts, row, title, origin):
    answers = [] if row.get("is_impossible") else row.get("answers")
    return span_example(texts, answers, title, origin)


def _question(texts, row, title, origin):
    _check_texts(*texts[1:])
    return dict(zip(("id", "question", "context"), texts, strict=True))


def _check_texts(question, context):
    if not isinstance(question, str) or not question.strip():
        raise ValueError("no question")
    if not isinstance(context, str) or not context.strip():
        raise ValueError("no context")


def span_example(texts, answers, group, origin):
    """Makes an example of a question, if its answers are right.

    Args:
        texts: (id, question, context).
        answers: list of dicts of `text` and `answer_start`, or a dict of lists of both.
        group: the key of examples of one article.
        origin: file and question.

    Returns:
        `SpanExample`.

    Raises:
        ValueError: what is wrong.
    """
    name, question, context = texts
    _check_texts(question, context)
    if answers is None:
        raise ValueError("no answers (a question without has an empty list of them)")
    try:
        if isinstance(answers, dict):
            pairs = list(zip(answers["text"], answers["answer_start"], strict=True))
        else:
            pairs = [(answer["text"], answer["answer_start"]) for answer in answers]
    except (KeyError, TypeError, ValueError):
        raise ValueError("an answer needs a text and an answer_start") from None
    for text, start in pairs:
        _check_answer(text, start, context)
    return SpanExample(name, question, context, tuple(dict.fromkeys(pairs)), group, origin)


def _check_answer(text, start, context):
    if not isinstance(text, str) or not text.strip():
        raise ValueError("an empty answer")
    if isinstance(start, bool) or not isinstance(start, int):
        raise ValueError(f"answer_start {start!r} is no whole number")
    if start < 0 or context[start : start + len(text)] != text:
        raise ValueError(f"the answer {text[:40]!r} is not at character {start} of its context")
