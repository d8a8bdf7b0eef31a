"""The files that the benchmark times: those of a run or a model, its teacher, and references."""

import dataclasses
from functools import partial
from pathlib import Path

from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.mediapipe import MEDIAPIPE_FILE
from tfdistill.run.directory import RunPaths
from tfdistill.system import hardware
from tfdistill.system.errors import UserError
from tfdistill.system.kept import file_digest, kept_folder
from tfdistill.system.paths import require_folder

FOLDER = "benchmark_files"  # in `shards_dir`
FILE = "model_int8.tflite"
LENGTH = 128
REFERENCES = {
    "BERT-base": ("L-12_H-768_A-12", "bert"),
    "DistilBERT": ("L-6_H-768_A-12", "distilbert"),
    "MobileBERT": ("L-24_H-128_B-512_A-4_F-4_OPT", "mobilebert"),
    "TinyBERT-4": ("L-4_H-312_A-12", "bert"),
}
TEACHER = "teacher"


def files_of(config, console):
    """Finds the files of the student or of `model`.

    Args:
        config: a `RunConfig`.
        console: a `Console`; it names the files that are left out.

    Returns:
        dict of names to `Path`s.

    Raises:
        UserError: there are none.
    """
    place = Path(config.model) if config.model else RunPaths(config.output_dir).export
    setting = f"`model`={config.model}" if config.model else f"`output_dir`={config.output_dir}"
    if place.is_dir():
        paths = sorted(place.glob("*.tflite")) or sorted(RunPaths(place).export.glob("*.tflite"))
        paths = [path for path in paths if path.name != MEDIAPIPE_FILE]  # the same model
    else:
        paths = [place] if place.is_file() else []
    if not paths:
        raise UserError(
            f"{setting} has no .tflite file: name a file or a folder of files, or make them with "
            "tfdistill.export"
        )
    if len(paths) == 1:
        return {LiteModel(paths[0]).path.stem: paths[0]}
    found = {}
    for path in paths:
        try:
            LiteModel(path)
        except UserError as error:
            console.warn([f"left out: {error.message}"])
        else:
            found[path.stem] = path
    if not found:
        raise UserError(f"{setting} has no file that tfdistill.export wrote: export it again")
    return found


def compared_files(config, console):
    """Makes the files to compare with, or finds them in `shards_dir`: a run's teacher, references.

    Args:
        config: a `RunConfig`.
        console: a `Console`; a line announces each file that is made.

    Returns:
        dict of names to `Path`s.

    Raises:
        UserError: `shards_dir` cannot be written.
    """
    found = {}
    teacher = RunPaths(config.output_dir).teacher
    weights = teacher / "model.safetensors"
    if not config.model and weights.is_file():
        identity = {"teacher": file_digest(weights)}
        if path := _kept(config, console, TEACHER, identity, partial(_saved, teacher)):
            found[TEACHER] = path
    if config.references:
        for name, (shape, model_type) in REFERENCES.items():
            identity = {"shape": shape, "model_type": model_type}
            load = partial(_fresh, shape, model_type)
            found[name] = _kept(config, console, name, identity, load)
    return found


def shape_files(shapes, task, config, console):
    """Makes int8 files of models with random weights, or finds them in `shards_dir`.

    Args:
        shapes: dict of names to `EncoderConfig`s.
        task: the `Task` whose heads they have, with two classes where it has classes.
        config: a `RunConfig`; each file has the single length `length`.
        console: as for `compared_files`.

    Returns:
        dict of the names to `Path`s.

    Raises:
        UserError: `shards_dir` cannot be written.
    """
    task, found = task.bound(("0", "1")) if task.kind else task, {}
    for name, shape in shapes.items():
        identity = {"shape": dataclasses.asdict(shape), "task": task.name}
        load = partial(task.model, shape, seed=0)
        found[name] = _kept(config, console, name, identity, load, (config.length,))
    return found


def _kept(config, console, name, identity, load, lengths=()):
    """The int8 file of a model in `shards_dir`; None if the model has no head."""
    from tfdistill.deployment.saved_model import GRAPH

    require_folder("shards_dir", config.shards_dir)

    def make(folder):
        console.say(f"converting {name} for the comparison; the file is kept")
        from tfdistill.deployment.signatures import usual_lengths
        from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite
        from tfdistill.run import machine

        machine.for_looking(config)
        model = load()
        if model.head is None:
            return
        longest = min(LENGTH, model.config.max_length)
        export_tflite(model, folder / FILE, DYNAMIC_INT8, lengths or usual_lengths(longest))

    versions = hardware.versions()
    identity |= {each: versions.get(each) for each in ("tfdistill", "tensorflow", "keras")}
    root = Path(config.shards_dir) / FOLDER
    path = kept_folder(root, identity | {"graph": GRAPH, "length": lengths or LENGTH}, make) / FILE
    return path if path.is_file() else None


def _saved(folder):
    from tfdistill.models.heads.reading import read_head
    from tfdistill.models.hugging_face.checkpoint import describe_head, load_model

    labelled = describe_head(folder, read_head) is not None
    return load_model(folder, head=read_head if labelled else None)


def _fresh(shape, model_type):
    from tfdistill.models.configs.config_files import named_config
    from tfdistill.models.model import MaskedLanguageModel

    return MaskedLanguageModel(named_config(shape, model_type), seed=0)
