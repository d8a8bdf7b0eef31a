"""Predicts labels of texts, with a Hugging Face model or a TFLite file of a task with labels.

    python -m tfdistill.predict --model=DIR "Great food, slow service."
    python -m tfdistill.predict --model=FILE.tflite "A man sleeps." "Somebody is asleep."
    python -m tfdistill.predict --model=DIR --question="Who sank?" --context="The whale sank it."
    python -m tfdistill.predict --model=DIR --input=reviews.csv --output=labelled.csv

The model says its own task: a class or a number for a text or a pair, entities in a text, the
answer to a question, or a vector for a text and the cosine of two. Input files are CSV, TSV or JSON
lines, CoNLL for words to be tagged, and SQuAD's JSON for questions; the output has their columns,
the prediction, and for classes and answers its probability. For a TFLite file, the tokenizer is
searched in its folder and in ../student. With --json: text and prediction as one JSON object, or
with --output the file and the number of its predictions.
"""

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_text import HELP
from tfdistill.settings.tools import Prediction

COMMAND = Command(
    __doc__,
    (
        *(Prediction, "model", "text", "top_k", "tokenizer", "device", "json"),
        *("text_column", "text_pair_column", "skip_bad_rows", "encoding_errors", "doc_stride"),
        *("max_answer_length", "pooling", "part"),
    ),
    help={name: HELP[name] for name in ("tokenizer", "device")}
    | {
        "text": "Text to predict for; or give it, and a second one, as plain words in quotes.",
        "top_k": "Most classes to show.",
        "pooling": "Reads any directory as a sentence encoder: mean (of all tokens) or cls (the "
        "first token); one of sentence-transformers needs no such setting.",
        "text_column": "Column of `input` with the texts or questions; text: the one with a usual "
        "name.",
    },
    places=("text", "second_text"),
)


def main():
    """Runs the command."""
    COMMAND.run(_predict)


def _predict(config):
    from tfdistill.run.prediction import predict

    predict(config, Console(json=config.json))


if __name__ == "__main__":
    main()
