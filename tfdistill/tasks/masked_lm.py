"""Masked language modelling: predicting hidden tokens (Devlin et al., 2019, section 3.1)."""

import math

import numpy as np

from tfdistill.data.masking import evaluation_masking, training_masking
from tfdistill.recipes.kd import MASKED_LM
from tfdistill.recipes.mlm import mlm
from tfdistill.system.errors import UserError
from tfdistill.tasks import hidden_words
from tfdistill.tasks.metrics import LOSS, Metric, share
from tfdistill.tasks.task import Task, part_from, softmax
from tfdistill.tasks.task_data import CALIBRATION, EVALUATION, STUDENT

TOP = 5


def _perplexity(loss):
    value = math.exp(min(loss, 99.0))
    return f"{value:.1f}" if value < 1e6 else f"{value:.1e}"


class MaskedLM(Task):
    """Models predict tokens that are hidden from them, each with a score for every token.

    A batch holds the positions to predict, `masked_positions`, int32 (batch, masked), with
    `masked_labels`, the true tokens, and `masked_weights`. The floor predicts the frequencies of
    the tokens in the training split.
    """

    name = "masked_lm"
    hard_loss = "mlm"
    distillation_losses = MASKED_LM
    labels, weights = "masked_labels", "masked_weights"
    metrics = (
        LOSS,
        Metric("loss", "pseudo-ppl", format=_perplexity, in_summaries=False),
        share("top1", "top-1"),
        share("top5", "top-5"),
    )
    label_losses = frozenset(("mlm", "nsp"))
    primary = metrics[2]
    compared = (primary, LOSS)
    floor_key = "unigram"
    file_metric, file_predictions = LOSS, 2000  # shares of hits are too coarse for 1 %
    outputs_are_tokens = True
    words = hidden_words.WORDS

    # -- data

    def of_settings(self, settings):
        return self._with_pairs() if settings.nsp else self

    def of_models(self, models):
        return self._with_pairs() if any("nsp_loss" in each for each in models.values()) else self

    def _with_pairs(self):
        from tfdistill.tasks.next_sentence import MaskedLMWithPairs  # a subclass

        return MaskedLMWithPairs()

    def transform(self, source, use, settings=None):
        """Masks tokens anew in each training batch; for evaluation always the same 15 %."""
        if use == EVALUATION:
            return evaluation_masking(source)
        if use == CALIBRATION:
            return training_masking(source)
        return training_masking(
            source,
            probability=settings.masked_lm_prob,
            smoothing=settings.mlm_smoothing if use == STUDENT else 0.0,
            whole_words=settings.whole_word_masking,
        )

    # -- models

    def head(self, config):
        from tfdistill.models.configs.model_types import get_model_type

        return get_model_type(config.model_type).parts().head(config)

    def model(self, config, seed):
        from tfdistill.models.model import MaskedLanguageModel

        return MaskedLanguageModel(config, seed=seed)

    def initialize_student(self, teacher, config, **options):
        from tfdistill.starts.from_teacher import initialize_student

        return initialize_student(teacher, config, with_head=True, **options)

    def start_from_text(self, model, ids, source, tokenizer, seed):
        """Starts from the co-occurrences and frequencies of the tokens."""
        from tfdistill.starts.from_text import start_from_text

        start_from_text(model, ids, source.counts, tokenizer.special_ids, seed)

    def without_teacher(self):
        return mlm()

    def set_prior(self, model, source):
        """Sets the head's bias to the frequencies of the tokens."""
        from tfdistill.starts.unigram import set_unigram_bias

        set_unigram_bias(model, source.counts)

    # -- evaluation

    def summarise(self, measured):
        """Averages over all predicted positions.

        Args:
            measured: dict of "loss", nats, and "rank", the number of tokens with a score at least
                that of the true one, both (predictions,).

        Returns:
            A dict with `loss` (nats per predicted token), `pseudo_perplexity` = exp(loss), `top1`
            and `top5` (shares of the predictions), and `predictions`, their number.
        """
        loss = float(np.mean(measured["loss"], dtype=np.float64))
        ranks = _ranks(measured)
        return {
            "loss": loss,
            "pseudo_perplexity": math.exp(min(loss, 700.0)),
            "top1": float(np.mean(ranks < 1)),
            "top5": float(np.mean(ranks < TOP)),
            "predictions": len(ranks),
        }

    def sums(self, measured):
        return {"top1": _ranks(measured) < 1, "loss": measured["loss"].astype(np.float64)}

    def floor(self, source, batches, held_out=None):
        """Scores the model that always predicts the training split's token frequencies."""
        from tfdistill.starts.unigram import unigram_log_probabilities
        from tfdistill.training.evaluation import constant_score, evaluate

        log_probabilities = unigram_log_probabilities(source.counts)
        return evaluate(constant_score(log_probabilities, self.labels), batches, self)

    # -- deployment

    def single_inputs(self, batch):
        for row, k in np.argwhere(batch[self.weights] > 0):
            inputs = {name: batch[name][row] for name in ("input_ids", "attention_mask")}
            inputs["masked_positions"] = batch["masked_positions"][row, k : k + 1]
            yield inputs, (row, k), (0,)

    def part(self, inputs, tokens):
        """The tokens around the one to predict."""
        (position,) = inputs["masked_positions"]
        latest = int(inputs["attention_mask"].sum()) - 1 - (tokens - 2)
        start = max(1, min(position - (tokens - 2) // 2, latest))
        moved = np.array([position - start + 1], np.int32)
        return part_from(inputs, start, tokens) | {"masked_positions": moved}

    def predict(self, predictor, text, top_k=5):
        """Predicts the words behind the masks of a text, each with the others unseen.

        Args:
            predictor: a `Predictor`.
            text: str with one or more [MASK], or the tokenizer's own token, such as <mask>.
            top_k: words to return for each.

        Returns:
            For each [MASK], in order, a list of (token, probability), the likeliest first;
            the softmax runs over the model's whole table, with its spare rows.

        Raises:
            UserError: no [MASK] in the text, or more tokens than the model takes.
        """
        inputs, ids = predictor.encode(text)
        positions = np.flatnonzero(ids == predictor.tokenizer.mask_id)
        if not len(positions):
            mask = predictor.tokenizer.roles.mask
            raise UserError(f"the text has no {mask}: write {mask} for the word to predict")
        logits = predictor.logits_at(inputs, "masked_positions", positions)  # (masked, vocab)
        return [_likeliest(row, predictor.tokenizer, top_k) for row in softmax(logits)]

    # -- reports

    def examples(self, tokenizer, source, predictors):
        texts = hidden_words.example_texts(tokenizer, source)
        return [
            {"text": text, "truth": truth}
            | {name: self.predict(each, text, top_k=3)[0] for name, each in predictors.items()}
            for text, truth in texts
        ]


def _ranks(measured):
    """Ranks of the true tokens; of a loss that is NaN, where nothing compares, the last."""
    return np.where(np.isnan(measured["loss"]), TOP, measured["rank"])


def _likeliest(probabilities, tokenizer, top_k):
    known = tokenizer.known
    order = np.argsort(-probabilities[: len(known)], kind="stable")
    order = order[known[order]][:top_k]
    return [(tokenizer.word(i), float(probabilities[i])) for i in order]
