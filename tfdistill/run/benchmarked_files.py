"""The files that the benchmark times: those of a run or a model, its teacher, and references."""

import dataclasses
import struct
from functools import partial
from pathlib import Path

from tfdistill import tasks
from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.mediapipe import MEDIAPIPE_FILE
from tfdistill.deployment.operators import POOLER, VOCABULARY
from tfdistill.deployment.parts_file import PREFIX, part_of, parts_in
from tfdistill.models.part_grid import FULL
from tfdistill.run.directory import RunPaths
from tfdistill.system import hardware
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.system.kept import kept_folder
from tfdistill.system.paths import require_folder
from tfdistill.system.sums import file_digest

FOLDER = "benchmark_files"  # in `shards_dir`
FILE = "model_int8.tflite"
FLOAT32_FILE = "model.tflite"
VARIANTS = {"float32": FLOAT32_FILE, "int8": FILE}  # files of a template
TASKS = {VOCABULARY: "masked_lm", POOLER: "text_classification"}  # with such a head
LENGTH = 128
REFERENCES = {
    "BERT-base": ("L-12_H-768_A-12", "bert"),
    "DistilBERT": ("L-6_H-768_A-12", "distilbert"),
    "MobileBERT": ("L-24_H-128_B-512_A-4_F-4_OPT", "mobilebert"),
    "TinyBERT-4": ("L-4_H-312_A-12", "bert"),
}
TEACHER = "teacher_int8"
DEVIATION = 0.02  # of the random biases, and of the scales of norms from 1


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
        return _files_of_parts(config, paths[0]) or {LiteModel(paths[0]).path.stem: paths[0]}
    found, of_parts = {}, {}
    for path in paths:
        if path.name.startswith(PREFIX):
            of_parts |= _files_of_parts(config, path) if config.part else {}
            continue
        try:
            LiteModel(path)
        except UserError as error:
            console.warn([f"left out: {error.message}"])
        else:
            found[path.stem] = path
    if config.part and not of_parts:
        raise UserError(f"`part`={config.part}: {setting} has no {PREFIX} file: leave it out")
    found |= of_parts
    if not found:
        raise UserError(f"{setting} has no file that tfdistill.export wrote: export it again")
    return found


def _files_of_parts(config, path):
    """Files of single parts out of a file of several, kept in `shards_dir`; {} for other files."""
    content = path.read_bytes()
    try:
        known = parts_in(content)
    except (ValueError, struct.error):  # damaged: LiteRT says so
        known = []
    if not known:
        if config.part:
            raise UserError(f"`part`={config.part}: {path} has no parts: leave it out")
        return {}
    found = {}
    for part in config.part.split(",") if config.part else [FULL]:
        if part not in known:
            raise UserError(f"`part`={part}: {path} has the parts {', '.join(known)}: name some")

        def make(folder, part=part):
            write_atomically(folder / FILE, part_of(content, part))

        root = Path(config.shards_dir) / FOLDER
        identity = {"file": file_digest(path), "part": part}
        found[f"{path.stem}:{part}"] = kept_folder(root, identity, make) / FILE
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
        from tfdistill.models.configs.config_files import named_config

        for name, (shape, model_type) in REFERENCES.items():
            identity = {"shape": shape, "model_type": model_type}
            load = partial(_random, tasks.get(tasks.DEFAULT), named_config(shape, model_type))
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
        load = partial(_random, task, shape)
        found[name] = _kept(config, console, name, identity, load, (config.length,))
    return found


def template_files(shape, lengths, config, console):
    """Makes float32 and int8 files of a small shape, or finds them in `shards_dir`.

    Args:
        shape: a `TimedShape`.
        lengths: tuple of the lengths of the files' rows.
        config, console: as for `compared_files`.

    Returns:
        dict of "float32" and "int8" to `Path`s.

    Raises:
        UserError: `shards_dir` cannot be written.
    """
    task = tasks.get(TASKS[shape.head])
    task = task.bound(("0", "1")) if task.kind else task
    identity = {"shape": dataclasses.asdict(shape.config), "task": task.name, "files": "both"}
    load = partial(_random, task, shape.config)
    path = _kept(config, console, shape.name, identity, load, lengths, both=True)
    return {variant: path.with_name(name) for variant, name in VARIANTS.items()}


def _kept(config, console, name, identity, load, lengths=(), both=False):
    """The int8 file of a model in `shards_dir`; None if the model has no head.

    With `both`, the float32 file stands beside it.
    """
    from tfdistill.deployment.saved_model import GRAPH

    require_folder("shards_dir", config.shards_dir)

    def make(folder):
        console.say(f"converting {name} for the comparison; the file is kept")
        from tfdistill.deployment.signatures import usual_lengths
        from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite_files
        from tfdistill.run import machine

        machine.for_looking(config)
        model = load()
        if model.head is None:
            return
        longest = min(LENGTH, model.config.max_length)
        files = {folder / FILE: DYNAMIC_INT8} | ({folder / FLOAT32_FILE: None} if both else {})
        export_tflite_files(model, files, lengths or usual_lengths(longest))

    versions = hardware.versions()
    identity |= {each: versions.get(each) for each in ("tfdistill", "tensorflow", "keras")}
    identity |= {"graph": GRAPH, "length": lengths or LENGTH, "deviation": DEVIATION}
    path = kept_folder(Path(config.shards_dir) / FOLDER, identity, make) / FILE
    return path if path.is_file() else None


def _saved(folder):
    from tfdistill.models.heads.reading import read_head
    from tfdistill.models.hugging_face.checkpoint import describe_head, load_model

    labelled = describe_head(folder, read_head) is not None
    return load_model(folder, head=read_head if labelled else None)


def _random(task, shape):
    """A model of random weights, whose file has the operators of a trained one.

    Fresh biases are zeros, and fresh scales of norms ones: a converter would leave them out.
    """
    import keras

    model = task.model(shape, seed=0)
    for number, variable in enumerate(model.variables):
        if len(variable.shape) == 1:
            variable.assign_add(keras.random.normal(variable.shape, stddev=DEVIATION, seed=number))
    return model
