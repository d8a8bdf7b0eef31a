"""Text that occurs twice: documents of one split, and held-out text that is also training text.

A model is measured too well on text that it was trained on, and every row of a table alike. Whole
documents are compared, and long lines, since a book may stand in two files with other headings.
"""

import array

import numpy as np

from tfdistill.data.documents import SPLITS

TRAIN = "train"
LONG = 50  # characters: shorter lines, such as headings, are often equal by chance
MOST_LINES = 200_000  # of a held-out split that are looked for; bounds the memory
FLATTERED = "models are measured too well on them"
MUCH = 0.01  # share of the long lines from which it is a warning


class Repeats:
    """Compares the documents and lines of a corpus while they are read.

    Texts are compared by Python's 64-bit hashes, so that two different ones are taken for equal
    about once in 10¹⁹ pairs.

    Held-out splits must be read before "train".
    """

    def __init__(self):
        self._documents = {split: array.array("q") for split in SPLITS}
        self._lines = {split: {} for split in SPLITS if split != TRAIN}  # hash: number of lines
        self._found = {split: set() for split in self._lines}

    def watched(self, split, documents):
        """Yields the documents of a split, whose lines are compared as they are read.

        Args:
            split: its name.
            documents: iterable of iterables of lines.
        """
        for document in documents:
            yield self._watched_lines(split, document)

    def _watched_lines(self, split, document):
        whole, look = 0, self._look if split == TRAIN else self._note
        for line in document:
            key = hash(line)
            whole = hash((whole, key))
            if len(line) >= LONG:
                look(split, key)
            yield line
        self._documents[split].append(whole)

    def _note(self, split, key):
        lines = self._lines[split]
        if key in lines or len(lines) < MOST_LINES:
            lines[key] = lines.get(key, 0) + 1

    def _look(self, _, key):
        for split, lines in self._lines.items():
            if key in lines:
                self._found[split].add(key)

    def facts(self, split):
        """What was found in a split: a dict for the statistics, empty where nothing repeats.

        Args:
            split: its name. All splits must have been read.

        Returns:
            dict of "repeated", documents that occurred before in the split; and for a held-out
            split "documents_in_train", and "lines_in_train" with the "long_lines" that were
            looked for.
        """
        own = np.unique(np.frombuffer(self._documents[split], np.int64), return_counts=True)
        found = {"repeated": int((own[1] - 1).sum())}
        if split != TRAIN:
            train = np.unique(np.frombuffer(self._documents[TRAIN], np.int64))
            found["documents_in_train"] = int(own[1][np.isin(own[0], train)].sum())
            lines = self._lines[split]
            if inside := sum(lines[key] for key in self._found[split]):
                found |= {"lines_in_train": inside, "long_lines": sum(lines.values())}
        return {name: count for name, count in found.items() if count}


def warnings_of(statistics):
    """Says which text repeats.

    Args:
        statistics: dict of splits to facts, those of `Repeats.facts` among them.

    Yields:
        Lines.
    """
    for split, facts in statistics.items():
        if count := facts.get("repeated"):
            yield f"{count:,} of {facts['documents']:,} {split} documents occur more than once"
        for overlap in overlaps({split: facts}):
            yield f"warning: {overlap}; take them out of one of the two"


def overlaps(statistics):
    """Says which held-out text is also training text.

    Args:
        statistics: as for `warnings_of`.

    Yields:
        Sentences without an end.
    """
    for split, facts in statistics.items():
        if count := facts.get("documents_in_train"):
            yield (
                f"{count:,} of {facts['documents']:,} {split} documents are also in train: "
                f"{FLATTERED}"
            )
        count, lines = facts.get("lines_in_train", 0), facts.get("long_lines", 1)
        if count > MUCH * lines:
            yield (
                f"{count / lines:.1%} of the lines of {split} with {LONG} characters or more are "
                f"also in train: {FLATTERED}"
            )
