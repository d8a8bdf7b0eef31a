"""Predicts for texts with a model of a task with labels or of vectors: a directory or TFLite file.

A TFLite file is run without TensorFlow.
"""

import re
from pathlib import Path

import numpy as np

from tfdistill.data.labelled.encoded import EncodedExamples
from tfdistill.data.labelled.encoding import encode_texts, encode_windows, encode_words
from tfdistill.data.text_tokenizer import load_text_tokenizer
from tfdistill.deployment import decoding, weight_cache
from tfdistill.deployment.file_metadata import describe_head
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.predictor import tokenizer_beside
from tfdistill.models.heads.answer_rules import AnswerRules
from tfdistill.models.part_grid import named_shape
from tfdistill.system.devices import import_quietly
from tfdistill.system.errors import UserError
from tfdistill.system.paths import at_home

TAGS, SPANS, VECTORS = "token_classification", "question_answering", "sentence_embedding"
ROWS = 32  # that a model in memory runs on at once
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair, which no UTF-8 has


class LabelPredictor:
    """A model with its tokenizer; make one with `LabelPredictor.open`.

    Args:
        run: function of a batch, a dict of int32 arrays (rows, length), to the logits of each row,
            float32.
        tokenizer: a `TextTokenizer`.
        facts: dict as in the metadata of files: `task`, `labels`, `length`, most tokens of a row,
            and of question answering perhaps `answers`.
        lengths: tuple of the lengths of rows that `run` takes; () for any.

    Attributes:
        task: name of the task.
        labels: tuple of the classes or tags.
        length: most tokens of a row.
        notes: tuple of str, warnings about the tokenizer's files.
        rules: `AnswerRules`, how a model of question answering is read; may be set.

    Example:
        import tfdistill

        predictor = tfdistill.LabelPredictor.open("runs/reviews/student")
        first, second = predictor.predict(["Great food.", "We waited for an hour."])
        first["label"], first["probability"]

        file = "runs/reviews/export/student_int8.tflite"  # read without TensorFlow
        tfdistill.LabelPredictor.open(file).predict(["Great food."])
    """

    def __init__(self, run, tokenizer, facts, lengths=()):
        self._run, self._tokenizer, self._lengths = run, tokenizer, lengths
        self.task, self.labels = facts["task"], tuple(facts["labels"])
        self.length, self.notes = facts["length"], tokenizer.notes
        self.rules = AnswerRules.of(facts.get("answers"))

    @classmethod
    def open(cls, path_or_hub_name, tokenizer=None, pooling="", part=""):
        """Opens a model.

        Args:
            path_or_hub_name: Hugging Face directory or hub name, or a .tflite file.
            tokenizer: directory or hub name of the tokenizer; None: the model's own. That of a
                .tflite file is looked for beside it, then in `../student`.
            pooling: "mean" or "cls" to read any directory as a sentence encoder; a folder of
                sentence-transformers is one without it.
            part: name of a part of a student of the recipe dynabert, such as "w50d75", in its
                directory or in a file of its parts; "": the whole student.

        Returns:
            A `LabelPredictor`.

        Raises:
            UserError: there is no such model, it has no head for labels, no tokenizer was found, or
                its vocabulary is another.
        """
        name, tokenizer = at_home(str(path_or_hub_name)), at_home(str(tokenizer or ""))
        if not name.endswith(".tflite"):
            return cls._open_keras(name, tokenizer, pooling, part)
        if pooling:
            raise UserError(f"`pooling`={pooling}: {name} has its own: leave it out")
        return cls._open_tflite(Path(name), tokenizer, part)

    @classmethod
    def _open_tflite(cls, path, tokenizer, part):
        model = LiteModel(path, weights=weight_cache.usual_folder(), part=part)
        if "task" not in model.metadata:
            raise UserError(
                f"{path} does not say what its task is: use a file of a task with labels that "
                "tfdistill wrote"
            )

        def run(batch):
            rows = range(len(batch["input_ids"]))
            return [model.logits({n: a[row] for n, a in batch.items()}) for row in rows]

        words = model.metadata["task"] == TAGS
        tokenizer = load_text_tokenizer(tokenizer or tokenizer_beside(path), words)
        model.require_tokenizer(tokenizer)
        return cls(run, tokenizer, model.metadata, model.lengths)

    @classmethod
    def _open_keras(cls, name, tokenizer, pooling, part):
        import_quietly("tfdistill.models.heads.reading")  # TensorFlow comes with it
        from tfdistill.models.heads.reading import reader_of
        from tfdistill.models.hugging_face.checkpoint import load_model, resolve_directory

        directory = resolve_directory(name)
        model = load_model(directory, head=reader_of(directory, pooling))
        if model.head is None:
            raise UserError(
                f"`model`={name} has no head for classes, a number, tags or answers: use another, "
                "or set `pooling`=mean for vectors of texts"
            )
        if part:
            from tfdistill.models.subnet import extract_subnet

            model = extract_subnet(model, named_shape(directory, part, model.config))
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
        positions = model.config.max_length
        trained = getattr(model.head, "max_length", None)
        length = min(positions, tokenizer.max_length or positions, trained or positions)
        facts = describe_head(model.head, length)
        return cls(lambda batch: np.asarray(model(batch, taps=())["logits"]), tokenizer, facts)

    def predict(self, texts, others=None):
        """Predicts for texts.

        Args:
            texts: list of str; for a model of question answering, the questions. For tags also
                tuples or lists of words.
            others: list of str, the second texts of pairs, or the contexts of the questions; None
                entries, or None, for texts without.

        Returns:
            list of dicts of JSON values. Classes: `label`, `probability`, and `probabilities` by
            label. A number: `value`. Tags: `entities`, a list of dicts with `type`, `text`,
            `start`, `end` (characters) and `probability`, the mean of its words'; for a list of
            words also `tags`, one for each, and the text is the words with blanks. Questions:
            `answer`, "" for none, `start`, `end` and `probability`. A sentence encoder:
            `embedding`, a list of numbers, or `cosine` of a text and its second one. A text that
            did not fit has `cut`: True.

        Raises:
            UserError: a question has no context, or a sentence to be tagged has a second text; a
                text is given alone, outside a list, or is no str; or the lists differ in length.
        """
        if isinstance(texts, str) or isinstance(others, str):
            raise UserError("predict takes a list of texts: put the text into one")
        texts = list(texts)
        others = [None] * len(texts) if others is None else list(others)
        if len(others) != len(texts):
            raise UserError(
                f"predict: {len(texts)} texts and {len(others)} second ones: give one for each text"
            )
        if not texts:
            return []
        self._require_texts(texts, others)
        if self.task == SPANS:
            if None in others:
                raise UserError("`context` is empty: give the text that holds the answer")
            return self._answer(texts, others)
        if self.task == TAGS:
            if any(other is not None for other in others):
                raise UserError("the model tags the words of one text: give no second one")
            return self._tag(texts)
        return (self._embed if self.task == VECTORS else self._score)(texts, others)

    def _require_texts(self, texts, others):
        wanted = "text or a list of words" if self.task == TAGS else "text"
        for text in (*texts, *(other for other in others if other is not None)):
            parts = [text]
            if self.task == TAGS and isinstance(text, list | tuple):
                parts = text
            if not all(isinstance(part, str) and not _HALF.search(part) for part in parts):
                raise UserError(f"predict: {text!r} is not {wanted}")

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
        rows = zip(self._logits(encoded), encoded.cut, strict=True)
        return [decoding.of_text(logits, self.labels, cut) for logits, cut in rows]

    def _embed(self, texts, others):
        pairs = [row for row, other in enumerate(others) if other is not None]
        every = texts + [others[row] for row in pairs]
        encoded = encode_texts(self._tokenizer, every, [None] * len(every), self.length)
        vectors, cut = [[] for _ in texts], [[] for _ in texts]
        rows = zip([*range(len(texts)), *pairs], self._logits(encoded), encoded.cut, strict=True)
        for row, vector, is_cut in rows:
            vectors[row].append(vector)
            cut[row].append(is_cut)
        return list(map(decoding.of_vectors, vectors, cut))

    def _tag(self, sentences):
        split = list(map(decoding.words_and_places, sentences))
        encoded = encode_words(self._tokenizer, [words for words, _ in split], self.length)
        return [
            decoding.of_sentence(sentences[row], split[row][1], encoded, row, (logits, self.labels))
            for row, logits in enumerate(self._logits(encoded))
        ]

    def _answer(self, questions, contexts):
        stride = self.rules.stride(self.length)
        encoded = encode_windows(self._tokenizer, questions, contexts, self.length, stride)
        return decoding.of_questions(contexts, encoded, self._logits(encoded), self.rules)
