"""Sentence embedding for people: its words, and the likeness that its floor sees."""

import re

from tfdistill.tasks.words import Words

_WORD = re.compile(r"\w+")

CODE = """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
signatures = {signatures}  # by the tokens that they take
tokenizer.enable_truncation({length})
interpreter = Interpreter("{file}")


def embed(text):
    text = tokenizer.encode(text)
    length = min(each for each in signatures if each >= len(text.ids))  # the shortest that fits
    text.pad(length{pad})
    run = interpreter.get_signature_runner(signatures[length])
    inputs = dict(input_ids=text.ids, attention_mask=text.attention_mask{token_types})
    return run(**{{name: np.array([x], np.int32) for name, x in inputs.items()}})["embedding"][0]


first, second = embed("The whale sank the ship."), embed("A ship was sunk by a whale.")
print(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))  # their cosine
"""

WORDS = Words(
    goal="to turn texts into vectors whose cosine is the likeness of the texts",
    predictions="pairs of texts",
    score="the student's cosines have a rank correlation of {} with the scores",
    floor="words in common",
    floor_column="words in common",
    floor_score="the share of common words has a rank correlation of {}",
    metrics="Spearman, Pearson: correlation of the cosines' ranks, and of the cosines, with the "
    "scores; pairs without scores have the teacher's cosines as such. In standard errors the ranks "
    "are those of the whole split. MSE: mean squared difference of cosines and scores from 0 to 1. "
    "agree: Spearman's correlation with the teacher's cosines.",
    agreement="same vector (cosine)",
    chart="Spearman's correlation (%)",
    chart_note="Rank correlation of cosines and scores.",
    loss_name="squared error",
    loss_note="Mean squared difference of cosines and scores; less is better.",
    examples_note="Cosines.",
    card="A sentence encoder for the phone: a vector for each text. Texts of like meaning have "
    "vectors with a high cosine.",
    output="the vector",
    code=CODE,
)


def overlap(example):
    """The share of words that both texts of a pair have (Jaccard), without case: float."""
    first, second = (set(_WORD.findall(text.lower())) for text in (example.text, example.pair))
    return len(first & second) / max(1, len(first | second))
