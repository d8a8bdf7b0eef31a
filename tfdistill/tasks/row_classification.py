"""Classification of rows of text: one label for each row."""

import numpy as np

from tfdistill.tasks.metrics import LOSS, share
from tfdistill.tasks.task import EXAMPLES, Task, softmax
from tfdistill.tasks.task_data import EVALUATION
from tfdistill.tasks.words import Words


class RowClassification(Task):
    """Base class of tasks that give each row of text one of a few classes.

    A task of its own says how rows are labelled (`transform`) and how many classes there are
    (`head`). The primary metric is the accuracy; the floor predicts the commonest class.

    Example:
        import numpy as np

        from tfdistill import tasks
        from tfdistill.models.heads.small import SmallHead

        class MentionsWhales(tasks.RowClassification):
            '''Whether a row of text contains the word "whale".'''

            name = "mentions_whales"

            def transform(self, source, use, settings=None):
                def label(rows, generator):
                    found = (rows == 13156).any(axis=1).astype(np.int32)
                    return self.row_batch(rows, source.ids.pad, found)

                return label

            def head(self, config):
                return SmallHead(config, outputs=2)

        tasks.register(MentionsWhales())
    """

    metrics = (LOSS, share("accuracy", "accuracy"))
    primary = metrics[1]
    compared = (primary, LOSS)
    words = Words()

    def row_batch(self, rows, pad, labels):
        """A batch of rows with one label each.

        Args:
            rows: int32 (batch, length).
            pad: id of [PAD].
            labels: int32 (batch,).

        Returns:
            dict of `input_ids`, `attention_mask`, and the labels and weights of the task.
        """
        mask = (rows != pad).astype(np.int32)
        weights = mask.any(axis=1).astype(np.float32)
        batch = {"input_ids": rows, "attention_mask": mask}
        return batch | {self.labels: labels, self.weights: weights}

    def summarise(self, measured):
        return {
            "loss": float(np.mean(measured["loss"], dtype=np.float64)),
            "accuracy": float(np.mean(self.sums(measured)["accuracy"])),
        }

    def sums(self, measured):
        right = (measured["rank"] < 1) & ~np.isnan(measured["loss"])
        return {"accuracy": right, "loss": measured["loss"].astype(np.float64)}

    def floor(self, source, batches, held_out=None):
        """Scores the model that predicts classes by their frequency in the training split."""
        from tfdistill.training.evaluation import constant_score, evaluate

        transform = self.transform(source, EVALUATION)
        labels = transform(source.gather(np.arange(len(source))), None)[self.labels]
        largest = max(int(each[self.labels].max()) for each in batches)
        counts = np.bincount(labels, minlength=largest + 1) + 1.0
        return evaluate(constant_score(np.log(counts / counts.sum()), self.labels), batches, self)

    def single_inputs(self, batch):
        for row in np.flatnonzero(batch[self.weights] > 0):
            names = ("input_ids", "attention_mask")
            yield {name: batch[name][row] for name in names}, (row,), ()

    def predict(self, predictor, text, top_k=5):
        """Returns a list of (class, probability) for one text, the likeliest first."""
        inputs, _ = predictor.encode(text)
        probabilities = softmax(predictor.logits(inputs))
        best = np.argsort(-probabilities, kind="stable")[:top_k]
        return [(self.label_name(label), float(probabilities[label])) for label in best]

    def label_name(self, label):
        """The name of a class.

        Args:
            label: int.

        Returns:
            str.
        """
        return str(label)

    def examples(self, tokenizer, source, predictors):
        transform = self.transform(source, EVALUATION)
        chosen = np.unique(np.linspace(0, len(source) - 1, EXAMPLES, dtype=np.int64))
        batch = transform(source.gather(chosen), None)
        found = []
        for ids, label in zip(batch["input_ids"], batch[self.labels], strict=True):
            text = tokenizer.decode([i for i in ids if i not in tokenizer.special_ids])
            guesses = {
                name: self.predict(predictor, text, top_k=3)
                for name, predictor in predictors.items()
            }
            found.append({"text": text, "truth": self.label_name(label)} | guesses)
        return found
