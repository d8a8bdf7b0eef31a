"""The words in which reports, model cards and verdicts speak of a task."""

import dataclasses
from collections.abc import Mapping

CLASSIFY = """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
signatures = {signatures}  # by the tokens that they take
tokenizer.enable_truncation({length})
text = tokenizer.encode("The whale sank the ship.")
length = min(each for each in signatures if each >= len(text.ids))  # the shortest that fits
text.pad(length{pad})
run = Interpreter("{file}").get_signature_runner(signatures[length])
inputs = dict(input_ids=text.ids, attention_mask=text.attention_mask{token_types})
print(run(**{{name: np.array([x], np.int32) for name, x in inputs.items()}})["logits"][0])
"""
# For files with the names of their classes.
CLASSIFY_BY_NAME = """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
signatures = {signatures}  # by the tokens that they take
tokenizer.enable_truncation({length})
text = tokenizer.encode("The whale sank the ship.")  # of a pair: encode(first, second)
length = min(each for each in signatures if each >= len(text.ids))  # the shortest that fits
text.pad(length{pad})
run = Interpreter("{file}").get_signature_runner(signatures[length])
inputs = dict(input_ids=text.ids, attention_mask=text.attention_mask{token_types})
outputs = run(**{{name: np.array([x], np.int32) for name, x in inputs.items()}})
labels = open("labels.txt", encoding="utf-8").read().splitlines()
print(dict(zip(labels, outputs["probabilities"][0].tolist())))
"""


@dataclasses.dataclass(frozen=True)
class Words:
    """Phrases for people. The defaults suit the classification of texts.

    Args:
        goal: what a model learns: "… learned to guess hidden words in text".
        predictions: what the metrics count, in the plural: "hidden words".
        score: how the student did; "{}" stands for the primary metric.
        floor: what the floor predicts: "unigram baseline".
        floor_column: its name in the table of a run.
        floor_score: how the floor did; "{}" stands for the primary metric.
        metrics: note below tables that explains the metrics' columns.
        agreement: heading of the share of predictions that are the teacher's.
        chart: title of the bars of the primary metric.
        chart_note: note below them.
        loss_name: the loss of the curves: "masked-LM loss".
        loss_note: note below the curves.
        one_input: what a latency is measured on: "one text with one [MASK]".
        examples: heading of the examples in the report.
        examples_note: note above the examples.
        examples_panel: name of TensorBoard's panel of examples.
        truth: label of the right answer in examples.
        mark: part of an example's text that is highlighted; "" for none.
        card: sentences at the beginning of the model card.
        inputs: meanings of the inputs beside those of the encoder, by name.
        output: meaning of the output `logits`.
        code: example of the model card, with the fields that `write_model_card` fills in.
    """

    goal: str = "to classify texts"
    predictions: str = "texts"
    score: str = "the student is right for {} of the texts"
    floor: str = "commonest class"
    floor_column: str = "commonest class"
    floor_score: str = "always predicting the commonest class is right for {}"
    metrics: str = (
        "loss: mean cross-entropy of the true class. agree: share with the teacher's class."
    )
    agreement: str = "same class"
    chart: str = "Accuracy (%)"
    chart_note: str = "Accuracy: share of the texts whose class is predicted."
    loss_name: str = "cross-entropy"
    loss_note: str = "Mean cross-entropy of the true class, in nats; less is better."
    one_input: str = "one text"
    examples: str = "Examples"
    examples_note: str = "Probabilities of the likeliest classes."
    examples_panel: str = "examples"
    truth: str = "true"
    mark: str = ""
    card: str = "A text classifier for the phone."
    inputs: Mapping = dataclasses.field(default_factory=dict)
    output: str = "one score per class"
    code: str = CLASSIFY
