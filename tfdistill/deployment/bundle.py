"""The folder that ships: all exported files of a model, written once every file has passed."""

import dataclasses

from tfdistill.deployment.compared_texts import calibration_texts
from tfdistill.deployment.latency import measure_latency
from tfdistill.deployment.parity import FLOAT32, ParityError, check_parity, model_predictions
from tfdistill.deployment.saved_model import export_saved_model
from tfdistill.deployment.signatures import as_lengths
from tfdistill.deployment.tflite import export_tflite_files
from tfdistill.deployment.variants import FULL_INT8, VARIANTS
from tfdistill.system.files import folder_aside
from tfdistill.system.sums import write_sums

SAVED_MODEL = "saved_model"
LABELS_FILE = "labels.txt"  # a class or tag in each line, in the order of the logits
# On held-out text, on which each file is compared with the model.
PREDICTIONS = 2000


@dataclasses.dataclass(frozen=True)
class BundleOptions:
    """What a bundle holds.

    Attributes:
        lengths: tokens in a row, [CLS] and [SEP] included: a tuple of the lengths that the TFLite
            files take, or the only one. The SavedModel has the longest.
        allow_loss: whether a file ships that loses more than it may (see `check_parity`).
        variants: names of `VARIANTS`; "float32" is one of them.
        calibration: evaluation batches of training examples, for full int8 files.
    """

    lengths: tuple | int
    allow_loss: bool = False
    variants: tuple = ("float32", "int8")
    calibration: object = None


def export_bundle(
    task, model, directory, options, tokenizer, batches, doing=lambda text: None, beside=None
):
    """Writes the TFLite files, the SavedModel, the tokenizer and the labels of a model.

    SHA256SUMS holds the checksums of all.

    Args:
        task: the model's `Task`.
        model: a `Model` with a head.
        directory: folder to write; an existing one is replaced, once all files have passed.
        options: `BundleOptions`.
        tokenizer: the model's `Tokenizer`.
        batches: what `Task.evaluation_batches` returned, to compare the files with the model (see
            `check_parity`) and to time them; iterated over twice.
        doing: called with a description of each part of the work, before it begins.
        beside: dict of names to other TFLite files of the longest length, such as a teacher's,
            which are timed in turn with the model's.

    Returns:
        (facts, failure): dict of the TFLite files' names to dicts: `ParityResult.facts`, `bytes`,
        and `latency_ms`, the median of one text in a row of the longest length on one thread; the
        last two also of `beside`. Where texts are shorter than rows and files have several
        lengths, `own_length_ms` is the same in the shortest length that holds each text. And the
        `ParityError` of a file that loses too much, which is then left out, or None.

    Raises:
        ParityError: the float32 file does not predict what the model predicts.
        UserError: the model cannot be exported.
        OSError: a write failed.
    """
    lengths = as_lengths(options.lengths)
    length = lengths[-1]
    batches = task.fixed_batches(batches, length, PREDICTIONS)
    with folder_aside(directory) as aside:
        files = _write_files(task, model, aside, options, tokenizer, doing)
        doing("predicting held-out texts")
        reference = model_predictions(task, model, batches, PREDICTIONS, lengths)
        facts, failures = {}, []
        for path, quantize in files.items():
            doing(f"comparing {path.name} with the model")
            kind = quantize or FLOAT32
            compared = task, model, path, batches, PREDICTIONS, kind, reference, options.allow_loss
            try:
                facts[path.name] = check_parity(*compared).facts(task.primary.key)
            except ParityError as error:
                if not quantize:
                    raise
                failures.append(str(error))
                path.unlink()
        doing("timing the files")
        rows = task.rows_to_time(next(iter(batches)))
        paths = {name: aside / name for name in facts} | (beside or {})
        for name, milliseconds in measure_latency(paths, rows).items():
            measured = {"bytes": paths[name].stat().st_size, "latency_ms": milliseconds}
            facts[name] = facts.get(name, {}) | measured
        if task.kind and len(lengths) > 1:
            own = {path.name: path for path in files if path.name in facts}
            for name, milliseconds in measure_latency(own, rows, own_lengths=True).items():
                facts[name]["own_length_ms"] = milliseconds
        doing(f"writing {SAVED_MODEL}")
        export_saved_model(model, aside / SAVED_MODEL, length, tokenizer)
        tokenizer.save(aside, model.config.model_type, length)
        if model.head.labels:
            (aside / LABELS_FILE).write_text("\n".join(model.head.labels) + "\n", "utf-8")
        write_sums(aside)
    return facts, ParityError("; ".join(failures)) if failures else None


def _write_files(task, model, folder, options, tokenizer, doing):
    """Writes the TFLite files of a bundle: dict of their paths to their `quantize`."""
    variants = [VARIANTS[name] for name in options.variants]
    files = {folder / each.file: each.quantize for each in variants}
    doing(f"converting {', '.join(each.file for each in variants)}")
    lengths, texts = as_lengths(options.lengths), None
    if FULL_INT8 in files.values():
        pad_id = model.config.pad_token_id
        texts = calibration_texts(task, options.calibration, lengths[-1], pad_id)
    export_tflite_files(model, files, lengths, texts, tokenizer.vocabulary_hash)
    return files


def warnings_of(task, facts):
    """What must be known of files beside their numbers: an iterator of sentences.

    Args:
        task: the `Task`.
        facts: of `export_bundle`.
    """
    positions = {fact["positions"] for fact in facts.values() if "positions" in fact}
    if positions and min(positions) < task.file_predictions:
        yield (
            f"the files were compared with the model on only {min(positions):,} "
            f"{task.words.predictions}, all that the held-out examples have: add examples, "
            f"{task.file_predictions:,} say more"
        )
    for name, fact in facts.items():
        if "lost" in fact:
            yield f"{name}: {fact['lost']}; it ships all the same (`allow_loss`)"
