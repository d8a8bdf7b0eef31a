"""Tagging for people, its words and how entities are shown; and its floor."""

import collections

import numpy as np

from tfdistill.tasks.entities import find_entities
from tfdistill.tasks.words import Words

CODE = """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
signatures = {signatures}  # by the tokens that they take
tokenizer.enable_truncation({length})
words = "Mary saw the whale in New York .".split()
text = tokenizer.encode(words, is_pretokenized=True)
length = min(each for each in signatures if each >= len(text.ids))  # the shortest that fits
text.pad(length{pad})
run = Interpreter("{file}").get_signature_runner(signatures[length])
inputs = dict(input_ids=text.ids, attention_mask=text.attention_mask{token_types})
logits = run(**{{name: np.array([x], np.int32) for name, x in inputs.items()}})["logits"][0]
tags = open("labels.txt", encoding="utf-8").read().splitlines()
first = {{word: place for place, word in reversed(list(enumerate(text.word_ids)))}}
print([(word, tags[logits[first[i]].argmax()]) for i, word in enumerate(words)])
"""

WORDS = Words(
    goal="to find entities in text",
    predictions="words",
    score="the student's entity F1 is {}",
    floor="most frequent tag of each word",
    floor_column="tag by word",
    floor_score="the most frequent tag of each word has an entity F1 of {}",
    metrics="loss: mean cross-entropy of the words' tags. Entity F1: an I- tag that continues "
    "nothing begins an entity, as in conlleval; strict F1 (IOB2): it is ignored. Words that are "
    "cut off at the length count as outside. agree: share of words with the teacher's tag.",
    agreement="same tag",
    chart="Entity F1 (%)",
    chart_note="F1 of whole entities: type, first and last word.",
    loss_note="Mean cross-entropy of the words' tags, in nats; less is better.",
    one_input="one sentence",
    examples_note="Entities, with the mean probability of their tags.",
    card="A tagger for the phone that finds entities in text.",
    output="one score per token and tag; a word has the tag of its first token",
    code=CODE,
)


class TagsByWord:
    """How often each word of the training split has each tag.

    Args:
        examples: list of `TaggedExample`; those without tags are left out.
        labels: tuple of the tags' names.
    """

    def __init__(self, examples, labels):
        self._numbers = {tag: number for number, tag in enumerate(labels)}
        self._words = collections.defaultdict(lambda: np.zeros(len(labels)))
        self._all = np.ones(len(labels))
        for example in examples:
            for word, tag in zip(example.words, example.tags or (), strict=False):
                self._words[word][self._numbers[tag]] += 1
                self._all[self._numbers[tag]] += 1
        self._shares = self._all / self._all.sum()

    def tag(self, word):
        """The number of a word's most frequent tag."""
        return int(self._words[word].argmax() if word in self._words else self._all.argmax())

    def losses(self, example):
        """Cross-entropies of a sentence's tags, each word having been seen once more with all tags.

        Args:
            example: `TaggedExample` with tags.

        Returns:
            float64 (words,), nats.
        """
        found = []
        for word, tag in zip(example.words, example.tags, strict=True):
            counts = self._words[word] if word in self._words else np.zeros(len(self._shares))
            shares = (counts + self._shares) / (counts.sum() + 1)
            found.append(-np.log(shares[self._numbers[tag]]))
        return np.array(found)


def marked(words, tags):
    """Writes a sentence's entities: "New York (LOC), Mary (PER)"."""
    return ", ".join(
        f"{' '.join(words[first : last + 1])} ({kind})" for kind, first, last in find_entities(tags)
    )
