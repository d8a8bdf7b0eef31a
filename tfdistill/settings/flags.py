"""Every flag, declared once: its default, its unit and its help live in the fields of `RunConfig`.

Command lines turn the fields into absl flags; the library only ever sees a `RunConfig`.
"""

import dataclasses
import numbers
import os
from types import MappingProxyType

from tfdistill.system.errors import UserError
from tfdistill.system.paths import at_home

CORPUS, ROWS, TEACHER, STUDENT, DISTILLATION = "corpus rows teacher student distillation".split()
OPTIMIZER, RUN, MODEL, DOCTOR, COMPARE = "optimizer", "run", "model", "doctor", "compare"

# Flags that decide how a run is watched, or where it lies or computes: no other model is asked for.
WITHOUT_EFFECT = frozenset(
    "data_dir shards_dir output_dir force json log_interval checkpoint_interval "
    "validation_interval steps_per_execution remat device model text metal_audit metal_kernels "
    "top_k runs page target_loss".split()
)


# What a flag with paths takes: one, or several separated by commas.
PATH, PATHS = "path", "paths"
_TYPES = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def _flag(default, group, help, *, choices=None, minimum=None, maximum=None, alias=None, kind=""):
    metadata = dict(group=group, help=help, choices=choices, alias=alias, kind=kind)
    metadata |= dict(minimum=minimum, maximum=maximum)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What one command is asked to do; the field names are the flag names.

    `python -m tfdistill.train --helpfull` lists the fields with their units, defaults and bounds.
    Paths may be `pathlib.Path`s, and `~` is the home folder.

    Raises:
        UserError: a value is out of range or not of its type; the message names the flag.

    Example:
        import tfdistill

        config = tfdistill.RunConfig(corpus="my_texts", recipe="minilm", steps=300, length=64)
    """

    corpus: str = _flag(
        "sample",
        CORPUS,
        "Text: 'sample' (bundled), 'wikitext-2', 'wikitext-103', 'hf:NAME[:CONFIG]' "
        "(a data set of the hub), or files, folders and globs of text, separated by commas: "
        ".txt, .tokens, .raw, .md, .jsonl, .json, WikiExtractor's output, each also packed as .gz, "
        ".bz2 or .xz. Files and folders named train, valid(ation), val, dev or test are these "
        "splits, so are names such as wiki.train.tokens where two splits of a folder share what "
        "stands around the word; all other files join the training text, and missing splits are "
        "cut from it. docs/CORPORA.md has the rules.",
        kind=PATHS,
    )
    text_column: str = _flag(
        "text", CORPUS, "Column of .json and .jsonl files and of hub data sets that holds the text."
    )
    data_dir: str = _flag(
        "",
        CORPUS,
        "Folder with the files of wikitext-2 or wikitext-103; empty: the hub.",
        kind=PATH,
    )
    tokenizer: str = _flag(
        "",
        CORPUS,
        "WordPiece tokenizer: a directory or hub name; empty: the teacher's own when --teacher "
        "has one, else the bundled bert-base-uncased.",
        kind=PATH,
    )
    shards_dir: str = _flag(
        "shards", CORPUS, "Folder that keeps prepared corpora between runs.", kind=PATH
    )
    length: int = _flag(128, ROWS, "Tokens in a row, [CLS] and [SEP] included.", minimum=3)
    masked_lm_prob: float = _flag(
        0.15, ROWS, "Share of a row's tokens that are predicted.", minimum=0.01, maximum=0.9
    )
    whole_word_masking: bool = _flag(
        False, ROWS, "In training, mask the WordPieces of a word together or not at all."
    )

    teacher: str = _flag(
        "",
        TEACHER,
        "Hugging Face BERT, DistilBERT or MobileBERT directory or hub name; empty: pre-train one "
        "here. Of several, separated by commas, the student learns the mean of their softened "
        "probabilities; it starts from the first, with which its layers are compared.",
        alias="teacher_name",
        kind=PATHS,
    )
    teacher_weights: str = _flag(
        "",
        TEACHER,
        "Weights of several teachers in that mean, separated by commas; empty: all alike.",
    )
    teacher_cache: str = _flag(
        "",
        TEACHER,
        "Folder that keeps what the teachers say of each row, for later epochs, seeds and "
        "students: the likeliest words' probabilities, and hidden states where the recipe reads "
        "them; empty: the teachers run in every step.",
        kind=PATH,
    )
    cached_mask_epochs: int = _flag(
        1,
        TEACHER,
        "Masks that a row has where answers are kept (--teacher_cache): after as many epochs they "
        "come again, and the teachers run no more.",
        minimum=1,
    )
    teacher_type: str = _flag(
        "bert",
        TEACHER,
        "Architecture of a teacher pre-trained here; mobilebert, with a wide bottleneck, is the "
        "inverted-bottleneck BERT.",
        choices=("bert", "mobilebert"),
    )
    teacher_config: str = _flag(
        "medium",
        TEACHER,
        "Shape of a teacher pre-trained here: a Hugging Face JSON file, a size (tiny, mini, small, "
        "medium, base) or a shape such as L-4_H-128_A-2; of mobilebert: ib_bert_large, or a shape "
        "such as L-6_H-256_B-128_A-4_F-1.",
        kind=PATH,
    )
    teacher_steps: int = _flag(
        10_000, TEACHER, "Pre-training steps of a teacher made here.", minimum=1
    )
    teacher_learning_rate: float = _flag(
        0.0,
        TEACHER,
        "Peak learning rate of the teacher's training; 0: 1e-3 for one made here, 1e-4 for a "
        "loaded one.",
        minimum=0.0,
    )
    layerdrop: float = _flag(
        0.2,
        TEACHER,
        "Chance that a teacher layer is skipped in a training step (Fan et al., 2019).",
        minimum=0.0,
        maximum=0.95,
    )
    layerdrop_adapt_steps: int = _flag(
        0,
        TEACHER,
        "Steps by which a loaded teacher is trained on with LayerDrop before a student is cut.",
        minimum=0,
    )

    student_type: str = _flag(
        "bert",
        STUDENT,
        "Architecture of the student.",
        choices=("bert", "distilbert", "mobilebert"),
    )
    student_config: str = _flag(
        "",
        STUDENT,
        "Shape of the student: a Hugging Face JSON file, a size, or a shape such as "
        "L-2_H-128_A-2; of mobilebert: mobilebert, mobilebert_tiny, or a shape such as "
        "L-6_H-64_B-128_A-4_F-4_OPT; empty: the teacher's with half its layers.",
        kind=PATH,
    )
    student_init: str = _flag(
        "every_other",
        STUDENT,
        "Where the student starts: every_other, first, last, spaced, distilbert, search, random, "
        "embeddings (fresh layers between the teacher's embeddings and head), or the teacher's "
        "layers as a list: 0,2,4. A narrower student: with :slice, :importance or "
        ":pca after it, such as spaced:pca; :pca when left out.",
    )

    dropout: float = _flag(
        0.1,
        STUDENT,
        "Dropout, of hidden states and attention, of models whose shape is a name; a JSON file, a "
        "loaded teacher, and a student shaped after it, keep their own.",
        minimum=0.0,
        maximum=0.9,
    )

    recipe: str = _flag(
        "distilbert",
        DISTILLATION,
        "What the student learns: distilbert, tinybert, minilm, minilm_v1, pkd, "
        "mobilebert_akt, mobilebert_jkt, mobilebert_pkt, hybrid or mlm; or "
        "FILE.py:NAME, a recipe of your own, on the command line alone.",
        kind=PATH,
    )
    alpha_attention: float = _flag(
        1.0,
        DISTILLATION,
        "tinybert, minilm_v1, mobilebert_…: weight of the attention's distance.",
        minimum=0.0,
    )
    alpha_hidden: float = _flag(
        1.0, DISTILLATION, "tinybert: weight of the hidden states' distance.", minimum=0.0
    )
    alpha_embedding: float = _flag(
        1.0, DISTILLATION, "tinybert: weight of the embeddings' distance.", minimum=0.0
    )
    alpha_relations: float = _flag(
        1.0, DISTILLATION, "minilm, minilm_v1: weight of the relations' KL.", minimum=0.0
    )
    alpha_feature_map: float = _flag(
        100.0,
        DISTILLATION,
        "mobilebert_…: weight of the normalised feature maps' distance.",
        minimum=0.0,
    )
    alpha_feature_mean: float = _flag(
        5000.0, DISTILLATION, "mobilebert_…: weight of the distance of their means.", minimum=0.0
    )
    alpha_feature_variance: float = _flag(
        5.0, DISTILLATION, "mobilebert_…: weight of the distance of their variances.", minimum=0.0
    )
    transfer_share: float = _flag(
        0.5,
        DISTILLATION,
        "mobilebert_jkt, mobilebert_pkt: share of the steps in which the layers imitate the "
        "teacher's.",
        minimum=0.01,
        maximum=0.99,
    )
    lower_rate: float = _flag(
        0.1,
        DISTILLATION,
        "mobilebert_pkt: factor of the learning rate below the layer that learns; 0 freezes.",
        minimum=0.0,
        maximum=1.0,
    )
    then: str = _flag(
        "distilbert", DISTILLATION, "hybrid: the recipe that follows on masked LM alone."
    )
    mlm_share: float = _flag(
        0.5,
        DISTILLATION,
        "hybrid: share of the steps that masked LM takes.",
        minimum=0.01,
        maximum=0.99,
    )
    head_share: float = _flag(
        0.2,
        DISTILLATION,
        "tinybert, minilm, minilm_v1: share of the steps in which, at the end, masked LM trains "
        "what their losses do not reach: the head, and for minilm the end of the last layer.",
        minimum=0.0,
        maximum=0.99,
    )
    layer_map: str = _flag(
        "",
        DISTILLATION,
        "tinybert, pkd, mobilebert_…: the teacher's layers that the student's are compared with: "
        "uniform, skip, first, last, spaced, distilbert, or a list: 2,5,8,11; empty: skip for "
        "pkd, uniform for others.",
    )
    projection: str = _flag(
        "",
        DISTILLATION,
        "The learned map of hidden states to the teacher's width: none, shared by the layers, "
        "per_layer, or fixed (shared, and it stays as it fits before the first step: a student cut "
        "from the teacher keeps its angles); empty: shared for tinybert, none for others.",
        choices=("", "none", "shared", "per_layer", "fixed"),
    )
    relation_heads: int = _flag(
        0,
        DISTILLATION,
        "minilm: heads of the relations; 0: the most, up to 48, that divide both widths.",
        minimum=0,
    )
    relation_layer: int = _flag(
        -1, DISTILLATION, "minilm, minilm_v1: the teacher's layer, from 0, or from -1 backwards."
    )
    alpha: float = _flag(
        0.5,
        DISTILLATION,
        "pkd, mobilebert_…: share of what the teacher answers; masked LM has the rest.",
        minimum=0.0,
        maximum=1.0,
    )
    beta: float = _flag(
        100.0, DISTILLATION, "pkd: weight of the normalised [CLS] states' distance.", minimum=0.0
    )
    pt_over_width: str = _flag(
        "mean",
        DISTILLATION,
        "pkd: mean over the width of that distance, as in the authors' code, or sum, as in the "
        "paper; over layers it is a mean.",
        choices=("mean", "sum"),
    )
    schedules: str = _flag(
        "",
        DISTILLATION,
        "Weights and temperatures that change over a phase: NAME=SHAPE:BEGIN:END with a shape out "
        "of linear, cosine; for example alpha_ce=linear:5:1,temperature=cosine:4:1.",
    )
    alpha_ce: float = _flag(
        5.0, DISTILLATION, "distilbert: weight of KL to the teacher's logits.", minimum=0.0
    )
    alpha_mlm: float = _flag(
        2.0, DISTILLATION, "distilbert: weight of the masked-LM loss.", minimum=0.0
    )
    alpha_cos: float = _flag(
        1.0,
        DISTILLATION,
        "distilbert: weight of 1 - cosine of the last hidden states.",
        minimum=0.0,
    )
    alpha_mse: float = _flag(
        0.0, DISTILLATION, "distilbert: weight of the logits' squared distance.", minimum=0.0
    )
    temperature: float = _flag(
        2.0, DISTILLATION, "distilbert, pkd: temperature of the KL.", minimum=0.01
    )
    restrict_ce_to_mask: bool = _flag(
        False, DISTILLATION, "KL and logits' distance at the masked tokens only, not at all tokens."
    )
    mlm_smoothing: float = _flag(
        0.7,
        DISTILLATION,
        "The student's masked tokens are drawn with weight count^-smoothing; 0: all alike.",
        minimum=0.0,
    )
    freeze_pos_embs: bool = _flag(
        False, DISTILLATION, "Keep the student's position embeddings as they start."
    )
    freeze_token_type_embds: bool = _flag(
        False, DISTILLATION, "Keep the student's token-type embeddings as they start."
    )
    n_epoch: float = _flag(
        3.0, DISTILLATION, "Passes of the student over the training split.", minimum=0.0
    )
    steps: int = _flag(
        0, DISTILLATION, "Training steps of the student; 0: as many as --n_epoch asks.", minimum=0
    )
    baseline: str = _flag(
        "none",
        DISTILLATION,
        "Students trained without a teacher on the same batches and steps, for comparison: none, "
        "or a list of random (a random start), start (the student's own start) and text (the start "
        "that a teacher made here gets from the text); both is random,start. The verdict needs "
        "start.",
    )

    batch_size: int = _flag(32, OPTIMIZER, "Rows in a batch.", minimum=1)
    gradient_accumulation_steps: int = _flag(
        1, OPTIMIZER, "Batches summed into one step, weighted by their tokens.", minimum=1
    )
    learning_rate: float = _flag(5e-4, OPTIMIZER, "Peak learning rate of the student.", minimum=0.0)
    warmup_prop: float = _flag(
        0.05,
        OPTIMIZER,
        "Share of the steps in which the learning rate climbs; it falls linearly to 0 after.",
        minimum=0.0,
        maximum=1.0,
    )
    adam_beta1: float = _flag(0.9, OPTIMIZER, "AdamW beta 1.", minimum=0.0, maximum=0.999999)
    adam_beta2: float = _flag(0.98, OPTIMIZER, "AdamW beta 2.", minimum=0.0, maximum=0.999999)
    adam_epsilon: float = _flag(1e-6, OPTIMIZER, "AdamW epsilon.", minimum=0.0)
    weight_decay: float = _flag(
        0.0, OPTIMIZER, "AdamW decay; biases and norms have none.", minimum=0.0
    )
    max_grad_norm: float = _flag(
        5.0, OPTIMIZER, "The gradient's norm, over all weights, is cut to this.", minimum=1e-6
    )
    remat: bool = _flag(
        False,
        OPTIMIZER,
        "Compute each layer of the model in training a second time for its gradient, which then "
        "needs less memory: for models or batches that do not fit.",
    )
    steps_per_execution: int = _flag(
        1,
        OPTIMIZER,
        "Steps taken in one call of TensorFlow's; more are faster where a step takes a few "
        "milliseconds. Ctrl-C waits for the call's end.",
        minimum=1,
    )
    seed: int = _flag(0, OPTIMIZER, "Seed of every random draw.", minimum=0, maximum=2**31 - 1)

    output_dir: str = _flag("runs/mini", RUN, "Folder of the run.", kind=PATH)
    force: bool = _flag(False, RUN, "Start over: delete the run that --output_dir holds.")
    log_interval: int = _flag(20, RUN, "Steps between two logged points.", minimum=1)
    checkpoint_interval: int = _flag(
        200,
        RUN,
        "Steps between two checkpoints, from which a run goes on that was killed; Ctrl-C and "
        "SIGTERM write one of their own.",
        minimum=1,
    )
    validation_interval: int = _flag(
        200,
        RUN,
        "The most steps between two points of the validation curve, which has ten or more, and one "
        "before the first step.",
        minimum=1,
    )
    device: str = _flag(
        "auto",
        RUN,
        "Where to compute: auto (CUDA, then Metal, then the CPU; a run that goes on keeps its "
        "device), cpu or gpu.",
        choices=("auto", "cpu", "gpu"),
    )
    precision: str = _flag(
        "auto",
        RUN,
        "Of the products of models in training: auto (bfloat16 on CUDA cards with units for it, "
        "and on Linux CPUs with such units if it proves faster; else float32), float32, bfloat16 "
        "or float16 (with a loss scale). Losses, weights, and all that is measured or exported at "
        "the end are float32.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    json: bool = _flag(False, RUN, "Print one JSON object on standard output, tables on the other.")

    model: str = _flag("", MODEL, "Hugging Face directory, hub name, or .tflite file.", kind=PATH)
    text: str = _flag("", MODEL, "Text with one or more [MASK] tokens.")
    metal_audit: bool = _flag(
        False,
        DOCTOR,
        "Look through the train steps for operators that Apple's Metal plugin lacks.",
        alias="metal-audit",
    )
    metal_kernels: str = _flag(
        "",
        DOCTOR,
        "File to write the kernels to that this TensorFlow and its GPU plugin register, as the "
        "bundled inventory has them; what differs from it is shown.",
        alias="metal-kernels",
        kind=PATH,
    )
    top_k: int = _flag(5, MODEL, "Words shown for a [MASK].", minimum=1)

    runs: str = _flag(
        "",
        COMPARE,
        "Folders of the runs, separated by commas; or give them as plain arguments.",
        kind=PATHS,
    )
    page: str = _flag(
        "comparison.html",
        COMPARE,
        "HTML file to write; one of an earlier comparison is replaced.",
        kind=PATH,
    )
    target_loss: float = _flag(
        0.0,
        COMPARE,
        "Validation loss, in nats; the first step that reaches it is shown; 0: the highest that a "
        "student ends with, which all reach.",
        minimum=0.0,
    )

    def __post_init__(self):
        for name, field in FIELDS.items():
            object.__setattr__(self, name, _valid(name, field, getattr(self, name)))


FIELDS = {field.name: field for field in dataclasses.fields(RunConfig)}


def _valid(name, field, value):
    """A flag's value in its type, with `~` as the home folder; absl has seen the same before."""
    facts, wanted = field.metadata, type(field.default)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    fits = isinstance(value, wanted) and isinstance(value, bool) == (wanted is bool)
    kind = {int: numbers.Integral, float: numbers.Real}.get(wanted, ())
    if isinstance(value, kind) and not isinstance(value, bool):  # NumPy's, for example
        fits, value = True, wanted(value)
    if not fits:
        raise UserError(f"`{name}`={value!r} is a {type(value).__name__}: give {_TYPES[wanted]}")
    if isinstance(value, str) and not value.isascii():
        _require_unicode(name, value, facts["kind"])
    if facts["choices"] and value not in facts["choices"]:
        raise UserError(
            f"`{name}`={value}: choose one of {', '.join(filter(None, facts['choices']))}"
        )
    least, most = facts["minimum"], facts["maximum"]
    if not ((least is None or value >= least) and (most is None or value <= most)):
        bounds = [f"at least {least}"] * (least is not None) + [f"at most {most}"] * (
            most is not None
        )
        raise UserError(f"`{name}`={value} is out of range: give {' and '.join(bounds)}")
    return at_home(value, separator_of(facts["kind"])) if facts["kind"] else value


def _require_unicode(name, value, kind):
    """Refuses what no file of a run could hold, such as a path in an old system's encoding."""
    try:
        value.encode()
    except UnicodeEncodeError:
        cure = "rename the file, or name the folder that holds it" if kind else "convert it"
        raise UserError(f"`{name}`={ascii(value)} is not UTF-8: {cure}") from None


def separator_of(kind):
    """What stands between the paths of a flag: str, or None for one path."""
    return "," if kind == PATHS else None


def declare(flag_values, shown, help=MappingProxyType({})):
    """Declares every field of `RunConfig` as an absl flag.

    Every command knows every flag, so that one flagfile serves them all; `--help` shows those
    that the command uses.

    Args:
        flag_values: the `absl.flags.FlagValues` to declare in.
        shown: what to show in `--help`: names of groups, and single flags such as "--json".
        help: dict of names to help that takes the place of the field's own.
    """
    import sys

    from absl import flags

    for name, field in FIELDS.items():
        facts = field.metadata
        help_text = help.get(name, facts["help"])
        options = dict(flag_values=flag_values)
        if facts["choices"]:
            flags.DEFINE_enum(name, field.default, facts["choices"], help_text, **options)
        elif isinstance(field.default, bool):
            flags.DEFINE_boolean(name, field.default, help_text, **options)
        elif isinstance(field.default, int):
            flags.DEFINE_integer(
                name, field.default, help_text, facts["minimum"], facts["maximum"], **options
            )
        elif isinstance(field.default, float):
            flags.DEFINE_float(
                name, field.default, help_text, facts["minimum"], facts["maximum"], **options
            )
        else:
            flags.DEFINE_string(name, field.default, help_text, **options)
        names = [name]
        if facts["alias"]:
            flags.DEFINE_alias(facts["alias"], name, **options)
            names.append(facts["alias"])
        if facts["group"] in shown or f"--{name}" in shown:
            for key in names:
                flag_values.register_key_flag_for_module(sys.argv[0], flag_values[key])


def config_from(flag_values):
    """Reads the parsed absl flags.

    Args:
        flag_values: parsed `absl.flags.FlagValues`.

    Returns:
        A `RunConfig`.
    """
    return RunConfig(**{name: flag_values[name].value for name in FIELDS})


def flag_lines(config):
    """Writes a config as the lines of a flagfile: what repeats the run, and does not delete it."""
    left_out = {"force", "json"}
    others = MODEL, DOCTOR, COMPARE
    left_out |= {name for name in FIELDS if FIELDS[name].metadata["group"] in others}
    return [f"--{name}={as_text(getattr(config, name))}" for name in FIELDS if name not in left_out]


def given_flags(config):
    """The flags among `flag_lines` that differ from their defaults: dict of names to text."""
    lines, defaults = flag_lines(config), set(flag_lines(type(config)()))
    return parse_flag_lines([line for line in lines if line not in defaults])


def parse_flag_lines(lines):
    """Reads what `flag_lines` wrote.

    Args:
        lines: iterable of str; comments and empty lines are passed over.

    Returns:
        dict of names to values, both text.
    """
    found = (line.removeprefix("--").partition("=") for line in lines if line.startswith("--"))
    return {name: value for name, equals, value in found if equals}


def as_text(value):
    """Writes a flag's value as a flagfile has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
