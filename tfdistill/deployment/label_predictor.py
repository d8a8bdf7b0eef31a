"""Predicts for texts with a model of a task with labels: a directory, or a TFLite file.

A TFLite file is run without TensorFlow.
"""

import functools
import re
from pathlib import Path

import numpy as np

from tfdistill.data.labelled.encoded import EncodedExamples
from tfdistill.data.labelled.encoding import SECOND, encode_texts, encode_windows, encode_words
from tfdistill.data.text_tokenizer import load_text_tokenizer
from tfdistill.deployment.predictor import tokenizer_beside
from tfdistill.deployment.tflite import LiteModel
from tfdistill.system.errors import UserError
from tfdistill.tasks.answers import best_spans, merge_windows
from tfdistill.tasks.entities import find_entities, repair
from tfdistill.tasks.task import softmax

CLASSES, NUMBER = "text_classification", "regression"
TAGS, SPANS = "token_classification", "question_answering"
ROWS = 32  # that a model in memory runs on at once
MOST_STRIDE, LONGEST_ANSWER = 128, 30  # tokens
_WORD = re.compile(r"\w+|[^\w\s]")  # punctuation marks are words


class LabelPredictor:
    """A model with its tokenizer; make one with `LabelPredictor.open`.

    Args:
        run: function of a batch, a dict of int32 arrays (rows, length), to the logits, float32
            (rows, …).
        tokenizer: a `TextTokenizer`.
        facts: dict as in the metadata of files: `task`, `labels`, and `length`, most tokens of a
            row.
        lengths: tuple of the lengths of rows that `run` takes; () for any.

    Attributes:
        task: name of the task.
        labels: tuple of the classes or tags.
        length: most tokens of a row.
        notes: tuple of str, warnings about the tokenizer's files.
        longest_answer: most tokens of an answer; may be set.
    """

    longest_answer = LONGEST_ANSWER

    def __init__(self, run, tokenizer, facts, lengths=()):
        self._run, self._tokenizer, self._lengths = run, tokenizer, lengths
        self.task, self.labels = facts["task"], tuple(facts["labels"])
        self.length, self.notes = facts["length"], tokenizer.notes

    @classmethod
    def open(cls, path_or_hub_name, tokenizer=None):
        """Opens a model.

        Args:
            path_or_hub_name: Hugging Face directory or hub name, or a .tflite file.
            tokenizer: directory or hub name of the tokenizer; None: the model's own. That of a
                .tflite file is looked for beside it, then in `../student`.

        Returns:
            A `LabelPredictor`.

        Raises:
            UserError: there is no such model, it has no head for labels, or no tokenizer was found.
        """
        if str(path_or_hub_name).endswith(".tflite"):
            return cls._open_tflite(Path(path_or_hub_name), tokenizer)
        return cls._open_keras(str(path_or_hub_name), tokenizer)

    @classmethod
    def _open_tflite(cls, path, tokenizer):
        model = LiteModel(path)
        if not model.metadata:
            raise UserError(
                f"{path} does not say what its task is: use a file of a task with labels that "
                "tfdistill wrote"
            )

        def run(batch):
            rows = range(len(batch["input_ids"]))
            return np.stack([model.logits({n: a[row] for n, a in batch.items()}) for row in rows])

        words = model.metadata["task"] == TAGS
        tokenizer = load_text_tokenizer(tokenizer or tokenizer_beside(path), words)
        return cls(run, tokenizer, model.metadata, (model.length,))

    @classmethod
    def _open_keras(cls, name, tokenizer):
        from tfdistill.models.heads.reading import read_head
        from tfdistill.models.hugging_face.checkpoint import load_model, resolve_directory

        directory = resolve_directory(name)
        model = load_model(directory, head=read_head)
        if model.head is None:
            raise UserError(
                f"`model`={name} has no head for classes, a number, tags or answers: use another"
            )
        words = model.head.task == TAGS
        return cls.of_model(model, load_text_tokenizer(tokenizer or str(directory), words))

    @classmethod
    def of_model(cls, model, tokenizer):
        """Wraps a model that is in memory.

        Args:
            model: a `Model` with a head of `models.heads`.
            tokenizer: a `TextTokenizer`.

        Returns:
            A `LabelPredictor`.

        Raises:
            UserError: the tokenizer's vocabulary is another.
        """
        tokenizer.require_table(model.config.vocab_size, "the model")
        positions = model.config.max_position_embeddings
        length = min(positions, tokenizer.max_length or positions)
        facts = {"task": model.head.task, "labels": model.head.labels, "length": length}
        return cls(lambda batch: np.asarray(model(batch)["logits"]), tokenizer, facts)

    def predict(self, texts, others=None):
        """Predicts for texts.

        Args:
            texts: list of str; for a model of question answering, the questions.
            others: list of str, the second texts of pairs, or the contexts of the questions; None
                entries, or None, for texts without.

        Returns:
            list of dicts of JSON values. Classes: `label`, `probability`, and `probabilities` by
            label. A number: `value`. Tags: `entities`, a list of dicts with `type`, `text`,
            `start`, `end` (characters) and `probability`, the mean of its words'. Questions:
            `answer`, "" where no answer is likelier, `start`, `end` and `probability`. A text that
            did not fit has `cut`: True.

        Raises:
            UserError: a question has no context, or a sentence to be tagged has a second text.
        """
        others = others or [None] * len(texts)
        if not texts:
            return []
        if self.task == SPANS:
            if None in others:
                raise UserError("`context` is empty: give the text that holds the answer")
            return self._answer(texts, others)
        if self.task == TAGS:
            if any(other is not None for other in others):
                raise UserError("the model tags the words of one text: give no second one")
            return self._tag(texts)
        return self._score(texts, others)

    def _logits(self, encoded):
        """The logits of every row, without padding: a list of float32 arrays."""
        source = EncodedExamples(
            encoded, (), pad=self._tokenizer.pad_id, longest=self.length, lengths=self._lengths
        )
        found = [None] * len(source)
        order = np.argsort(source.tokens, kind="stable")  # rows of like lengths together
        for start in range(0, len(order), ROWS):
            chosen = order[start : start + ROWS]
            for row, logits in zip(chosen, self._run(source.gather(chosen)), strict=True):
                found[row] = logits if logits.ndim == 1 else logits[: source.tokens[row]]
        return found

    def _score(self, texts, others):
        encoded = encode_texts(self._tokenizer, texts, others, self.length)
        found = []
        for logits, cut in zip(self._logits(encoded), encoded.cut, strict=True):
            if self.task == NUMBER:
                result = {"value": float(logits[0])}
            else:
                shares = dict(zip(self.labels, map(float, softmax(logits)), strict=True))
                best = max(shares, key=shares.get)
                result = {"label": best, "probability": shares[best], "probabilities": shares}
            found.append(_marked(result, cut))
        return found

    def _tag(self, texts):
        words = [[(match.start(), match.end()) for match in _WORD.finditer(t)] for t in texts]
        sentences = [
            [text[start:end] for start, end in places]
            for text, places in zip(texts, words, strict=True)
        ]
        encoded = encode_words(self._tokenizer, sentences, self.length)
        found = []
        for row, logits in enumerate(self._logits(encoded)):
            shares = softmax(logits)  # (tokens, tags)
            of_word = encoded.words[encoded.bounds[row] : encoded.bounds[row + 1]]
            first = np.flatnonzero(of_word >= 0)
            tags, sure = ["O"] * len(words[row]), np.zeros(len(words[row]))
            for token in first:
                word, best = of_word[token], shares[token].argmax()
                tags[word], sure[word] = self.labels[best], shares[token, best]
            entities = _entities(texts[row], words[row], tags, sure)
            found.append(_marked({"entities": entities}, encoded.cut[row]))
        return found

    def _answer(self, questions, contexts):
        stride = min(MOST_STRIDE, self.length // 4)
        encoded = encode_windows(self._tokenizer, questions, contexts, self.length, stride)
        decode = functools.partial(_best_span, encoded, self.longest_answer)
        spans, scores, none, shares = map(
            np.array,
            zip(*map(decode, range(len(encoded.tokens)), self._logits(encoded)), strict=True),
        )
        window, gain = merge_windows(encoded.examples, scores, none, len(questions))
        found = []
        for question, (row, margin) in enumerate(zip(window, gain, strict=True)):
            start = end = 0
            if row >= 0 and margin >= 0:
                characters = encoded.characters[encoded.bounds[row] : encoded.bounds[row + 1]]
                start, end = (int(characters[spans[row][side], side]) for side in (0, 1))
            share = float(shares[row]) if end else 0.0
            answer = contexts[question][start:end]
            found.append({"answer": answer, "start": start, "end": end, "probability": share})
        return found


def _marked(result, cut):
    return result | {"cut": True} if cut else result


def _entities(text, places, tags, sure):
    """The entities of one text as dicts; a tag that continues nothing begins an entity."""
    found = []
    for kind, first, last in find_entities(repair(tags)):
        start, end = places[first][0], places[last][1]
        share = float(sure[first : last + 1].mean())
        named = {"type": kind, "text": text[start:end], "start": start, "end": end}
        found.append(named | {"probability": share})
    return found


def _best_span(encoded, longest, row, logits):
    """The best answer of a window.

    Args:
        encoded: `EncodedTexts` of windows.
        longest: most tokens of an answer.
        row: index of the window.
        logits: float32 (tokens, 2).

    Returns:
        (first and last token, score, score of no answer, probability): the probability is the
        product of those of start and end among the context's tokens and "no answer".
    """
    context = encoded.sides[encoded.bounds[row] : encoded.bounds[row + 1]] == SECOND
    start, end = logits.T.astype(np.float64)
    spans, scores = best_spans(start[None], end[None], context[None], longest)
    possible = context.copy()
    possible[0] = True  # stands for "no answer"
    share = 1.0
    for side, place in zip((start, end), spans[0], strict=True):
        share *= softmax(np.where(possible, side, -np.inf))[place]
    return spans[0], scores[0], start[0] + end[0], share
