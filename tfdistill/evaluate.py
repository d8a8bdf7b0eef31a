"""Measures models on held-out data: the test split of a corpus, or examples with labels.

    python -m tfdistill.evaluate --output_dir=runs/mini
    python -m tfdistill.evaluate --model=DIR --teacher=DIR --corpus=wikitext-2 --data_dir=DIR
    python -m tfdistill.evaluate --model=DIR --task=text_classification --test_data=FILE
    python -m tfdistill.evaluate --model=FILE.tflite --test_data=FILE

Without --model it measures every model of the run in --output_dir, on the run's own data and row
length unless others are given, and repeats the verdict with the sizes and latencies that the run
measured. With --model it measures that model, and --teacher for comparison. The tokenizer is the
model's own unless --tokenizer is given. For a task with labels the model may be a .tflite file,
which names its task. On a corpus the masks are those of the main job, and "unigram" always predicts
the training split's token frequencies. With --json: {"task", "corpus", "split", "models",
"differences"}, and for a run "verdict", "conclusion" and "teacher_answers".
"""

from tfdistill.command_line.cli import Command
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_text import HELP
from tfdistill.settings.labelled_data import LabelledDataSettings
from tfdistill.settings.text import Corpus
from tfdistill.system import strict_json

COMMAND = Command(
    __doc__,
    (
        *(Corpus, LabelledDataSettings, "task", "model", "teacher", "length", "nsp"),
        *("doc_stride", "max_answer_length", "pooling", "output_dir", "device", "json"),
    ),
    help=HELP
    | {
        "model": "Hugging Face directory or hub name, or a .tflite file of a task with labels; "
        "empty: the models of the run in `output_dir`.",
        "teacher": "Directory or hub name of a second model, measured for comparison.",
        "output_dir": "Run whose models are measured if `model` is empty.",
        "task": f"{HELP['task']} Of a .tflite file: the file's own.",
        "length": f"{HELP['length']} With `model` and a task with labels: the model's.",
    },
    reads_run=True,
    reads_model=True,
)


def main():
    """Runs the command."""
    COMMAND.run(_evaluate)


def _evaluate(config):
    from tfdistill.run.evaluation import evaluate_and_show

    result = evaluate_and_show(config, Console(json=config.json))
    if config.json:
        print(strict_json.dumps(result))


if __name__ == "__main__":
    main()
