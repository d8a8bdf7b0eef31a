"""Extractive question answering: the answer is a span of the context."""

import copy
import dataclasses
from types import MappingProxyType

import numpy as np

from tfdistill.data.labelled.batches import EXAMPLE
from tfdistill.data.labelled.encoding import SECOND
from tfdistill.data.labelled.sources import encode_spans
from tfdistill.models.heads.answer_rules import AnswerRules
from tfdistill.tasks import answers
from tfdistill.tasks.answer_words import NO_ANSWER, WORDS, likeliest_sentence, shown_answers
from tfdistill.tasks.label_heads import SPANS
from tfdistill.tasks.labelled import LabelledTask, spread
from tfdistill.tasks.metrics import LOSS, ratio_of_sums, share
from tfdistill.tasks.task import EXAMPLES

EXCLUDED = -1e9  # the logit of padding
NUMBERS = "doc_stride", "max_answer_length"  # settings
F1 = share("f1", "F1")
EXACT = share("exact_match", "exact match")
LOSS_OF_WINDOWS = dataclasses.replace(LOSS, of_sums=ratio_of_sums)


class QuestionAnswering(LabelledTask):
    """The answer to a question is a span of its context, or there is none.

    A context that is too long comes in windows. The answer is the best span of all windows, of at
    most `max_answer_length` tokens. A model that may abstain has no answer where that has the
    higher score in the window that most believes so. The floor answers with the sentence that
    shares most words with the question.

    Attributes:
        rules: `AnswerRules`. Those of a run follow from its settings and its training split; of a
            model that is there already, they are the model's (see `of_model`).
    """

    name = "question_answering"
    kind, data_kind = SPANS, "spans"
    hard_loss = "span_cross_entropy"
    distillation_losses = {"labels": "span_cross_entropy", "kl": "span_kl", "mse": "span_mse"}
    metrics = (LOSS_OF_WINDOWS, F1, EXACT)
    primary = F1
    compared = (F1, EXACT, LOSS_OF_WINDOWS)
    words = WORDS
    rules = AnswerRules()
    _given = MappingProxyType({})  # numbers of the rules that settings name

    def of_settings(self, settings):
        task = copy.copy(super().of_settings(settings))
        task._given = {name: getattr(settings, name) for name in NUMBERS}
        rules = self.rules.changed(**task._given)
        task.rules = dataclasses.replace(rules, doc_stride=rules.stride(settings.length))
        return task

    def of_data(self, data):
        train = data.splits.get("train", ())
        return self.with_rules(
            dataclasses.replace(self.rules, may_abstain=any(not each.answers for each in train))
        )

    def of_model(self, rules):
        return self.with_rules((rules or AnswerRules()).changed(**self._given))

    def with_rules(self, rules):
        """A copy of the task with other `AnswerRules`."""
        task = copy.copy(self)
        task.rules = rules
        return task

    def mark(self, head):
        head.answer_rules = self.rules

    def fresh_head(self, config, pooling=""):
        head = super().fresh_head(config, pooling)
        self.mark(head)
        return head

    # -- data

    def encode(self, examples, tokenizer, length):
        return encode_spans(examples, tokenizer, length, self.rules.stride(length))

    def chosen_rows(self, source, limit):
        """All windows of some questions, at most about `limit` in all, spread over the split."""
        rows = source.texts.examples
        questions = max(1, int(len(source.examples) * min(1.0, limit / max(1, len(rows)))))
        chosen = np.linspace(0, len(source.examples) - 1, questions).astype(np.int64)
        return np.flatnonzero(np.isin(rows, chosen))

    # -- evaluation

    def measure(self, logits, batch):
        """Measures every window: "loss", the mean of start and end, and the logits."""
        import tensorflow as tf

        there = tf.cast(batch["attention_mask"], tf.bool)[..., None]
        both = tf.transpose(tf.where(there, logits, EXCLUDED), (0, 2, 1))  # (batch, 2, length)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch[self.labels], both)
        weight = tf.cast(batch[self.weights], tf.float32)
        return {"loss": tf.reduce_mean(losses, axis=1), "weight": weight, "logits": logits}

    def counts(self, batch):
        """All windows: those whose answer is in none of them are asked, too."""
        return batch["attention_mask"].any(axis=1)

    def evaluate(self, score, batches, source=None):
        def decoded(batch):
            measured = dict(score(batch))
            logits = np.asarray(measured.pop("logits"))
            inside = source.side_mask(batch[EXAMPLE], logits.shape[1], SECOND)
            return measured | answers.decode_windows(logits, inside, self.rules.max_answer_length)

        return super().evaluate(decoded, batches, source)

    def by_example(self, measured, source):
        """Merges the windows of each question.

        Returns:
            dict of "examples", the questions that were asked; "answers", str; "gain", the answers'
            scores over that of no answer; "predictions", normalised answers; and "losses", float64
            (questions, 2), sums over the windows that count, and their number.
        """
        asked, question = np.unique(source.texts.examples[measured["row"]], return_inverse=True)
        scores = measured["score"], measured["no_answer"]
        window, gain = answers.merge_windows(question, *scores, len(asked), self.rules.may_abstain)
        examples = [source.examples[number] for number in asked]
        found = [
            self._text(source, example, measured, place)
            for example, place in zip(examples, window, strict=True)
        ]
        weight = measured["weight"].astype(np.float64)
        losses = [weight * measured["loss"], weight]
        return self._answered(examples, found) | {
            "gain": gain,
            "losses": np.stack(
                [np.bincount(question, each, len(asked)) for each in losses], axis=1
            ),
        }

    def _text(self, source, example, measured, window):
        """The answer in one window; "" for none."""
        if window < 0:
            return ""
        start, end = source.texts.characters_of(measured["row"][window], measured["span"][window])
        return example.context[start:end]

    @staticmethod
    def _answered(examples, found):
        normal = np.array([answers.normalize(text) for text in found], object)
        return {"examples": examples, "answers": found, "predictions": normal}

    def summarise(self, measured):
        sums = self.sums(measured)
        (loss,) = ratio_of_sums(measured["losses"].sum(axis=0)[None])
        means = {key: float(sums[key].mean()) for key in ("f1", "exact_match")}
        return {"loss": float(loss)} | means

    def sums(self, measured):
        pairs = [
            (text, [answer for answer, _ in example.answers])
            for text, example in zip(measured["answers"], measured["examples"], strict=True)
        ]
        columns = {
            "f1": np.array([answers.f1(*pair) for pair in pairs]),
            "exact_match": np.array([answers.exact_match(*pair) for pair in pairs]),
            "loss": measured["losses"],
        }
        return {metric.key: columns[metric.key] for metric in self.compared}

    def floor(self, source, batches, held_out=None):
        """Scores the sentences that share most words with the questions.

        Its loss is that of equal scores for all tokens.
        """
        from tfdistill.training.evaluation import Evaluation

        weight = held_out.row_array(self.weights).astype(np.float64)
        losses = [weight * np.log(held_out.tokens), weight]
        count, rows = len(held_out.examples), held_out.texts.examples
        examples = held_out.examples
        measured = self._answered(examples, [likeliest_sentence(each) for each in examples])
        measured["losses"] = np.stack([np.bincount(rows, each, count) for each in losses], axis=1)
        return Evaluation(
            self.summarise(measured), measured["predictions"], self.row_sums(measured)
        )

    # -- reports

    def errors(self, measured, source):
        right = self.sums(measured)["f1"] > 0
        wrong = [i for i in np.argsort(-measured["gain"], kind="stable") if not right[i]]
        return [
            self.shown(measured["examples"][i]) | {"predicted": measured["answers"][i]}
            for i in wrong[:EXAMPLES]
        ]

    def disagreements(self, predictions, teacher_predictions, source):
        differing = np.flatnonzero(predictions != teacher_predictions)
        return [
            self.shown(source.examples[i])
            | {"student": predictions[i], "teacher": teacher_predictions[i]}
            for i in spread(differing)
        ]

    def shown(self, example):
        return {"text": example.question, "truth": shown_answers(example)}

    def guesses(self, predictor, example):
        (found,) = predictor.predict([example.question], [example.context])
        return [(found["answer"] or NO_ANSWER, found["probability"])]
