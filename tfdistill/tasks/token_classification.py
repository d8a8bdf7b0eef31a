"""Tagging of words: entities in sentences."""

import copy
import dataclasses

import numpy as np

from tfdistill.data.labelled.batches import EXAMPLE
from tfdistill.data.labelled.sources import encode_tags
from tfdistill.tasks import entities
from tfdistill.tasks.label_heads import TAGS
from tfdistill.tasks.labelled import LabelledTask, spread
from tfdistill.tasks.metrics import LOSS, ratio_of_sums, share
from tfdistill.tasks.tagged_words import WORDS, TagsByWord, marked
from tfdistill.tasks.task import EXAMPLES

LOSS_OF_WORDS = dataclasses.replace(LOSS, of_sums=ratio_of_sums)


def _f1(totals, count=None):
    return entities.f1_of_counts(totals)


F1 = share("f1", "entity F1", of_sums=_f1)
STRICT = share("f1_strict", "strict F1", of_sums=_f1)
ACCURACY = share("accuracy", "accuracy")


class TokenClassification(LabelledTask):
    """Each word of a sentence has a tag, such as "B-PERSON".

    A word has the tag of its first token. The floor gives each word its most frequent tag of the
    training split, and the most frequent of all tags to unknown words.
    """

    name = "token_classification"
    kind, data_kind = TAGS, "tags"
    has_variants = True
    learning_rate = 1e-4
    metrics = (LOSS_OF_WORDS, F1, STRICT, ACCURACY)
    primary = F1
    compared = (F1, STRICT, ACCURACY, LOSS_OF_WORDS)
    words = WORDS

    def encode(self, examples, tokenizer, length):
        return encode_tags(examples, tokenizer, length, self.labels_names)

    def fixed_batches(self, batches, length, limit):
        """As of every task; sentences that are left out lose their tags, and are not counted."""
        found = super().fixed_batches(batches, length, limit)
        chosen = {row for batch in found for row in batch[EXAMPLE].tolist()}
        source = copy.copy(found.source)
        source.examples = [
            example if row in chosen else dataclasses.replace(example, tags=None)
            for row, example in enumerate(source.examples)
        ]
        return dataclasses.replace(found, source=source)

    # -- evaluation

    def by_example(self, measured, source):
        """Puts the tags of words together: all words of the sentences that have tags.

        Returns:
            dict of "gold" and "predicted", lists of sentences; "predictions", int (words,); "loss"
            and "loss_sentence", of the words that were not cut off; and "examples".
        """
        numbers = {tag: number for number, tag in enumerate(self.labels_names)}
        tagged = [i for i, example in enumerate(source.examples) if example.tags]
        sizes = [len(source.examples[i].tags) for i in tagged]
        first = np.zeros(len(source.examples) + 1, np.int64)
        first[np.array(tagged, np.int64) + 1] = sizes
        first = first.cumsum()
        predictions = np.full(first[-1], numbers.get(entities.OUTSIDE, 0), np.int64)
        tokens = source.texts.bounds[measured["row"]] + measured["position"]
        broken = np.isnan(measured["loss"])  # of a model whose logits are no numbers
        seen = first[measured["row"]] + source.texts.words[tokens]
        predictions[seen[~broken]] = measured["predictions"][~broken]
        place = np.searchsorted(tagged, measured["row"])
        return self._of_sentences(predictions, [source.examples[i] for i in tagged]) | {
            "loss": measured["loss"].astype(np.float64),
            "loss_sentence": place,
        }

    def _of_sentences(self, predictions, examples):
        ends = np.cumsum([len(example.tags) for example in examples])
        names = np.array(self.labels_names, object)[predictions]
        return {
            "examples": examples,
            "gold": [example.tags for example in examples],
            "predicted": [list(part) for part in np.split(names, ends[:-1])],
            "predictions": predictions,
        }

    def summarise(self, measured):
        types = entities.entity_types(self.labels_names)
        gold, predicted = measured["gold"], measured["predicted"]
        lenient, strict = (
            entities.count_entities(gold, predicted, types, strict) for strict in (False, True)
        )
        return {
            "loss": float(measured["loss"].mean()) if len(measured["loss"]) else float("nan"),
            "f1": float(entities.f1_of_counts(lenient.sum(axis=(0, 1)))),
            "f1_strict": float(entities.f1_of_counts(strict.sum(axis=(0, 1)))),
            "accuracy": sum(map(sum, _right(measured))) / len(measured["predictions"]),
            "per_type": entities.scores_by_type(lenient, types),
        }

    def sums(self, measured):
        types = entities.entity_types(self.labels_names)
        gold, predicted = measured["gold"], measured["predicted"]
        lenient, strict = (
            entities.count_entities(gold, predicted, types, strict).sum(axis=1)
            for strict in (False, True)
        )
        place = measured["loss_sentence"]
        losses = np.stack(
            [np.bincount(place, weights, len(gold)) for weights in (measured["loss"], None)], axis=1
        )
        right = np.array([sum(each) for each in _right(measured)], np.float64)
        columns = {"f1": lenient, "f1_strict": strict, "accuracy": right, "loss": losses}
        return {metric.key: columns[metric.key] for metric in self.compared}

    def row_sums(self, measured):
        from tfdistill.training.paired_bootstrap import RowSums

        return RowSums(self.sums(measured), np.array([len(tags) for tags in measured["gold"]]))

    def floor(self, source, batches, held_out=None):
        """Scores each word's most frequent tag in the training split."""
        from tfdistill.training.evaluation import Evaluation

        floor = TagsByWord(source.examples, self.labels_names)
        examples = [example for example in held_out.examples if example.tags]
        predictions = [floor.tag(word) for example in examples for word in example.words]
        losses = [floor.losses(example) for example in examples]
        measured = self._of_sentences(np.array(predictions, np.int64), examples) | {
            "loss": np.concatenate(losses),
            "loss_sentence": np.repeat(np.arange(len(examples)), [len(each) for each in losses]),
        }
        return Evaluation(
            self.summarise(measured), measured["predictions"], self.row_sums(measured)
        )

    # -- reports

    def errors(self, measured, source):
        wrong = [i for i, right in enumerate(_right(measured)) if not all(right)]
        return [
            self.shown(measured["examples"][i])
            | {"predicted": marked(measured["examples"][i].words, measured["predicted"][i])}
            for i in spread(wrong)
        ]

    def disagreements(self, predictions, teacher_predictions, source):
        examples = [example for example in source.examples if example.tags]
        own, teacher = (
            self._of_sentences(each, examples)["predicted"]
            for each in (predictions, teacher_predictions)
        )
        differing = [i for i, tags in enumerate(own) if tags != teacher[i]]
        return [
            self.shown(examples[i])
            | {
                "student": marked(examples[i].words, own[i]),
                "teacher": marked(examples[i].words, teacher[i]),
            }
            for i in spread(differing)
        ]

    def shown(self, example):
        truth = marked(example.words, example.tags) if example.tags else ""
        return {"text": " ".join(example.words), "truth": truth}

    def guesses(self, predictor, example):
        (found,) = predictor.predict([example.words])
        return [
            (f"{each['text']} ({each['type']})", each["probability"])
            for each in found["entities"][:EXAMPLES]
        ]


def _right(measured):
    """For each sentence, whether each word has its tag."""
    return [
        [true == guess for true, guess in zip(*pair, strict=True)]
        for pair in zip(measured["gold"], measured["predicted"], strict=True)
    ]
