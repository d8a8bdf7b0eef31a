"""The file for MediaPipe, run in LiteRT as MediaPipe runs it: from texts, with its own tokens."""

import zipfile

import numpy as np

from tfdistill.data.augmentation.texts import texts_of
from tfdistill.data.labelled.batches import EXAMPLE
from tfdistill.deployment.bundle import PREDICTIONS
from tfdistill.deployment.latency import times_in_turn
from tfdistill.deployment.mediapipe_file import INPUTS, VOCABULARY_FILE
from tfdistill.deployment.mediapipe_tokens import MediaPipeTokenizer
from tfdistill.deployment.parity import evaluate_logits, model_predictions
from tfdistill.deployment.signatures import PROBABILITIES
from tfdistill.system.quiet import quiet_native_output

ROUNDS = 100  # timed runs
_SMALLEST = np.finfo(np.float32).tiny


def measure_mediapipe(task, model, path, batches):
    """Measures the file on the held-out texts on which the other files of an export are measured.

    Args:
        task: the model's `Task`.
        model: the `Model` that was exported.
        path: the file.
        batches: what `Task.evaluation_batches` returned.

    Returns:
        dict of `latency_ms`, from tokens to scores, and the primary metric, named as in
        `ParityResult.facts`.
    """
    file = MediaPipeModel(path)
    batches = task.fixed_batches(batches, file.length, PREDICTIONS)
    if task.lacks_labels(batches.source):
        vectors = model_predictions(task, model, batches, PREDICTIONS, (file.length,))
        task = task.against(vectors, batches)
    texts = [text for each in batches.source.examples for text in texts_of(each)]
    rows = [[file.rows_of(texts[row]) for row in batch[EXAMPLE]] for batch in batches]
    logits = [np.stack([file.logits(row) for row in own]) for own in rows]
    found = evaluate_logits(task, logits, batches).metrics
    times = times_in_turn({"": lambda number: file.logits(rows[0][number % len(rows[0])])}, ROUNDS)
    key = task.primary.key
    return {"latency_ms": times[""].milliseconds()["median_ms"], f"{key}_lite": found[key]}


class MediaPipeModel:
    """A file that `mediapipe_file` made, with the vocabulary in it.

    Args:
        path: the file.

    Attributes:
        length: tokens in a row.
    """

    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter

        with zipfile.ZipFile(path) as archive:
            lines = archive.read(VOCABULARY_FILE).decode("utf-8")
        self._tokenizer = MediaPipeTokenizer(lines.removesuffix("\n").split("\n"))
        with quiet_native_output():
            self._interpreter = Interpreter(str(path), num_threads=1)
            self._interpreter.allocate_tensors()
            runner = self._interpreter.get_signature_runner()
        self._inputs = {name: each["index"] for name, each in runner.get_input_details().items()}
        ((self._name, output),) = runner.get_output_details().items()
        self._output = output["index"]
        self.length = int(self._interpreter.get_input_details()[0]["shape"][1])

    def rows_of(self, text):
        """What MediaPipe gives the file for a text: dict of inputs' names to int32 (1, length)."""
        found = self._tokenizer.encode(text, self.length)
        rows = {name: np.zeros((1, self.length), np.int32) for name in INPUTS.values()}
        rows[INPUTS["input_ids"]][0, : len(found)] = found
        rows[INPUTS["attention_mask"]][0, : len(found)] = 1
        return rows

    def logits(self, rows):
        """Runs the file on a row.

        Args:
            rows: of `rows_of`.

        Returns:
            float32 (outputs,): logarithms of the probabilities of classes, or a vector.
        """
        for name, row in rows.items():
            self._interpreter.set_tensor(self._inputs[name], row)
        self._interpreter.invoke()
        found = self._interpreter.get_tensor(self._output)[0]
        return np.log(np.maximum(found, _SMALLEST)) if self._name == PROBABILITIES else found
