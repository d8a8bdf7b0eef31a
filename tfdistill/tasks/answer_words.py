"""Question answering for people: its words, and the answers of its floor."""

import re

from tfdistill.tasks.words import Words

NO_ANSWER = "no answer"
_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"[^.!?]+[.!?]*\s*")

CODE = """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
signatures = {signatures}  # by the tokens that they take
tokenizer.enable_truncation({length}, stride={shared}, strategy="only_second")
context = "The ship sank in the storm. A whale had damaged it."
whole = tokenizer.encode("What had damaged the ship?", context)
length = min(each for each in signatures if each >= len(whole.ids))  # the shortest that fits
run = Interpreter("{file}").get_signature_runner(signatures[length])
spans, none = [], []
for text in [whole, *whole.overflowing]:  # a longer context comes in windows
    text.pad(length{pad})
    inputs = dict(input_ids=text.ids, attention_mask=text.attention_mask{token_types})
    logits = run(**{{name: np.array([x], np.int32) for name, x in inputs.items()}})["logits"][0]
    start, end = logits.T
    none.append(start[0] + end[0])
    inside = [place for place, side in enumerate(text.sequence_ids) if side == 1]
    spans += [
        (start[i] + end[j], context[text.offsets[i][0] : text.offsets[j][1]])
        for i in inside
        for j in inside
        if i <= j < i + {longest}
    ]
score, answer = max(spans)
print(answer if score > min(none) or not {may_abstain} else "no answer")
"""

WORDS = Words(
    goal="to answer questions from a text",
    predictions="questions",
    score="the student's F1 is {}",
    floor="sentence with most words of the question",
    floor_column="likeliest sentence",
    floor_score="the sentence that shares most words with the question has an F1 of {}",
    metrics="loss: mean cross-entropy of the first and the last token of the answers. F1: words "
    "shared with the true answer; exact match: share of equal answers, both by SQuAD's rules. "
    "agree: share with the teacher's answer.",
    agreement="same answer",
    chart="F1 (%)",
    chart_note="F1 of the words of the answers, by SQuAD's rules.",
    loss_note="Mean cross-entropy of the answers' first and last tokens, in nats; less is better.",
    one_input="one question with one window of its context",
    examples_note="Probabilities of the best answers.",
    card="A model for the phone that finds the answer to a question in a text.",
    output="two scores per token: first and last token of the answer",
    code=CODE,
)


def likeliest_sentence(example):
    """The sentence of the context that shares most words with the question; the first of several.

    Args:
        example: `SpanExample`.

    Returns:
        str.
    """
    asked = set(_WORD.findall(example.question.lower()))
    sentences = _SENTENCE.findall(example.context) or [example.context]
    shared = [len(asked & set(_WORD.findall(sentence.lower()))) for sentence in sentences]
    return sentences[shared.index(max(shared))].strip()


def shown_answers(example):
    """The true answers of a question: "Paris / the city of Paris"; "no answer" without."""
    found = dict.fromkeys(text for text, _ in example.answers)
    return " / ".join(found) or NO_ANSWER
