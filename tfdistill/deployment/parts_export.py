"""The files of a student's parts: converted, checked and timed one by one, and put into one."""

import tempfile
from pathlib import Path

from tfdistill.deployment.bundle import PREDICTIONS
from tfdistill.deployment.latency import measure_latency
from tfdistill.deployment.parity import FLOAT32, check_parity, model_predictions
from tfdistill.deployment.parts_file import PREFIX, merge_parts
from tfdistill.deployment.signatures import as_lengths
from tfdistill.deployment.tflite import export_tflite_files
from tfdistill.deployment.variants import FULL_INT8, VARIANTS
from tfdistill.models.subnet import extract_subnet
from tfdistill.system.files import write_atomically
from tfdistill.system.sums import renew_sums


def export_parts(
    task, model, shapes, directory, options, tokenizer, batches, doing=lambda text: None
):
    """Writes a TFLite file of each variant with a signature for each part of a student.

    Files in integers alone are left out, as they have one length.

    Args:
        task: the model's `Task`.
        model: the whole `Model`, with a head.
        shapes: dict of names of parts to `PartShape`s.
        directory: existing folder.
        options: `BundleOptions`.
        tokenizer: the model's `Tokenizer`.
        batches: what `Task.evaluation_batches` returned, to compare each file with its part.
        doing: called with a description of each part of the work, before it begins.

    Returns:
        dict of `files`: of file names to `bytes` and `bytes_apart`, the sum of files of one part
        each; and `parts`: of names to dicts of variants to the part's facts: `bytes` of a file of
        its own, `latency_ms` (see `export_bundle`), and those of `ParityResult`.

    Raises:
        ParityError: a float32 file does not predict what its part predicts.
        OSError: a write failed.
    """
    lengths = as_lengths(options.lengths)
    kinds = {name: VARIANTS[name] for name in options.variants}
    kinds = {name: kind for name, kind in kinds.items() if kind.quantize != FULL_INT8}
    batches = task.fixed_batches(batches, lengths[-1], PREDICTIONS)
    found, paths = {"files": {}, "parts": {}}, {}
    with tempfile.TemporaryDirectory() as folder:
        for part, shape in shapes.items():
            doing(f"converting and comparing the part {part}")
            own = extract_subnet(model, shape)
            task.mark(own.head)
            files = {name: Path(folder) / f"{part}_{name}.tflite" for name in kinds}
            quantize = {files[name]: kind.quantize for name, kind in kinds.items()}
            vocabulary = tokenizer.vocabulary_hash
            export_tflite_files(own, quantize, lengths, vocabulary=vocabulary)
            reference = model_predictions(task, own, batches, PREDICTIONS, lengths)
            found["parts"][part] = {}
            for name, path in files.items():
                kind = kinds[name].quantize or FLOAT32
                compared = task, own, path, batches, PREDICTIONS, kind, reference, True
                facts = check_parity(*compared).facts(task.primary.key)
                found["parts"][part][name] = facts | {"bytes": path.stat().st_size}
                paths[part, name] = path
        doing("timing the parts")
        rows = task.rows_to_time(next(iter(batches)))
        for (part, name), milliseconds in measure_latency(paths, rows).items():
            found["parts"][part][name]["latency_ms"] = milliseconds
        for name, kind in kinds.items():
            file = kind.file.replace("student", PREFIX)
            doing(f"writing {file}")
            content = merge_parts({part: paths[part, name].read_bytes() for part in shapes})
            write_atomically(Path(directory) / file, content)
            renew_sums(Path(directory) / file)
            apart = sum(paths[part, name].stat().st_size for part in shapes)
            found["files"][file] = {"bytes": len(content), "bytes_apart": apart}
    return found
