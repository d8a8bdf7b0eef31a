"""The bundled task: who wrote a sentence of the five bundled books."""

import hashlib
import re

from tfdistill.data.corpus import SAMPLE
from tfdistill.data.documents import SPLITS
from tfdistill.data.labelled.examples import TextExample

NAME = "sample_authors"
AUTHORS = {
    "Alice's Adventures in Wonderland": "Lewis Carroll",
    "Pride and Prejudice": "Jane Austen",
    "The Adventures of Sherlock Holmes": "Arthur Conan Doyle",
    "Moby Dick": "Herman Melville",
    "Frankenstein": "Mary Shelley",
}
MOST = {"train": 1000, "validation": 100, "test": 150}  # sentences of an author
WORDS = range(6, 61)  # of a sentence

_HEADING = re.compile(r" = (?P<book>.+) : .+ = ")
# A sentence ends at a mark, with a quote perhaps, before a blank and a capital or a quote.
_TITLES = r"(?<!Mr)(?<!Mrs)(?<!Dr)(?<!St)"
_END = re.compile(_TITLES + r"""([.!?]["'”’)]*)\s+(?=["'“‘(]*[A-Z])""")


def read_authors():
    """Cuts the bundled books into sentences.

    The splits have chapters of their own, those of the bundled corpus. A sentence that stands
    several times is in one split only: in the test split, else in the validation split.

    Returns:
        dict of the splits to lists of `TextExample`, in the order of the books.
    """
    found, seen = {}, set()
    for split in reversed(SPLITS):
        by_author = {author: [] for author in AUTHORS.values()}
        for example in _sentences(f"{split}.txt"):
            key = example.text.casefold()
            if key not in seen:
                seen.add(key)
                by_author[example.label].append(example)
        found[split] = [each for part in by_author.values() for each in _some(part, MOST[split])]
    return {split: found[split] for split in SPLITS}


def _sentences(file):
    author = None
    lines = (SAMPLE / file).read_text("utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if heading := _HEADING.fullmatch(line):
            author = AUTHORS[heading["book"]]
        elif line.strip():
            for sentence in _END.sub(r"\1\n", line.strip()).split("\n"):
                if len(sentence.split()) in WORDS:
                    yield TextExample(sentence, None, author, None, f"{file}:{number}")


def _some(examples, most):
    """At most so many examples, chosen by their hashes, in their order."""
    ranked = sorted(examples, key=lambda example: hashlib.sha256(example.text.encode()).digest())
    chosen = {example.text for example in ranked[:most]}
    return [example for example in examples if example.text in chosen]
