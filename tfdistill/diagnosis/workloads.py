"""Distillations for training checks and memory measurements."""

import dataclasses
import itertools

import numpy as np

from tfdistill import recipes
from tfdistill.data.batches import TrainingBatches
from tfdistill.data.corpus import open_corpus
from tfdistill.data.labelled.answers import with_answers
from tfdistill.data.masking import training_masking
from tfdistill.data.rows import Rows
from tfdistill.data.shards import Shard
from tfdistill.distillation.cached_signals import answers_suffice
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.models.configs.config_files import named_config
from tfdistill.models.configs.encoder_config import EncoderConfig
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.tasks.label_heads import SPANS, TEXT
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer

LINES = 2_000  # of the bundled text, or examples: enough for the batches of a check


@dataclasses.dataclass(frozen=True)
class Workload:
    """Shapes and losses of a distillation.

    Args:
        name: name in the output.
        recipe: name of the recipe; its phase with the most terms runs.
        options: options of the recipe.
        teacher: `EncoderConfig`, or None for a recipe without a teacher.
        student: `EncoderConfig`.
        rows: rows in a batch.
        length: tokens in a row.
        layerdrop: probability that a layer of the student is skipped in a step.
        remat: whether to compute the student's layers again for their gradients.
        task: the `Task` whose heads the models have; None: masked LM.
    """

    name: str
    recipe: str
    options: dict
    teacher: EncoderConfig | None
    student: EncoderConfig
    rows: int
    length: int
    layerdrop: float = 0.0
    remat: bool = False
    task: object = None


# configs/mini.flags with dropout and LayerDrop, so that both are checked; and the most common use.
MINI = Workload(
    name="mini",
    recipe="distilbert",
    options={"restrict_ce_to_mask": True},
    teacher=named_config("L-6_H-128_A-2"),
    student=named_config("L-2_H-128_A-2"),
    rows=32,
    length=64,
    layerdrop=0.2,
)
BASE = Workload(
    name="BERT-base to 6 layers",
    recipe="distilbert",
    options={},
    teacher=named_config("base"),
    student=named_config("L-6_H-768_A-12"),
    rows=8,
    length=128,
)


def of_run(config, plan, task=None):
    """The distillation of a run.

    Args:
        config: a `RunConfig`.
        plan: its `Plan`.
        task: its `Task`, if it is one with labels.

    Returns:
        A `Workload`.
    """
    losses = {"task_losses": task.distillation_losses} if task else {}
    return Workload(
        name="this run",
        recipe=config.recipe,
        options=dataclasses.asdict(config) | losses,
        teacher=plan.teacher_config,
        student=plan.student_config,
        rows=config.batch_size,
        length=config.length,
        remat=config.remat,
        task=task,
    )


def without_draws(workload):
    """The same `Workload` without dropout and LayerDrop.

    Comparisons with Metal need it, because the Metal plugin draws other random numbers. TensorFlow
    draws the same numbers with XLA and without.
    """
    return dataclasses.replace(
        workload,
        teacher=workload.teacher and workload.teacher.with_dropout(0.0),
        student=workload.student.with_dropout(0.0),
        layerdrop=0.0,
    )


def batches(workload, tokenizer):
    """Batches of the bundled text.

    Args:
        workload: a `Workload`.
        tokenizer: the `Tokenizer` whose vocabulary the models have.

    Returns:
        `TrainingBatches`.
    """
    documents = open_corpus("sample").splits["train"]()
    lines = list(itertools.islice(itertools.chain.from_iterable(documents), LINES))
    ids = np.fromiter(itertools.chain.from_iterable(tokenizer.encode_lines(lines)), np.int32)
    counts = np.bincount(ids, minlength=tokenizer.vocab_size)
    shard = Shard(ids, np.zeros(1, np.int64), counts)
    rows = Rows(shard, workload.length, tokenizer)
    return TrainingBatches(rows, workload.rows, 0, training_masking(rows))


def labelled_batches(config, task, data, tokenizer, plan):
    """Batches of a run's first training examples, in rows of one length.

    Args:
        config: a `RunConfig`.
        task: its `Task`, bound to the classes of the data.
        data: its `LabelledData`.
        tokenizer: the student's.
        plan: its `Plan`. If answers of the teacher suffice for the recipe, random ones stand for
            them.

    Returns:
        `LabelledBatches`.
    """
    few = dataclasses.replace(data, splits={"train": data.splits["train"][:LINES]})
    source = task.prepare(few, tokenizer, config).sources["train"]
    source = source.with_lengths((source.length,))
    if answers_suffice(*plan.recipe.phases):
        rows = len(source) if task.kind == TEXT else len(source.texts.ids)
        outputs = 2 if task.kind == SPANS else max(1, len(task.labels_names))
        if not task.learns_labels:  # vectors
            outputs = plan.teacher_config.hidden_size
        logits = np.random.default_rng(0).normal(size=(rows, outputs)).astype(np.float32)
        source = with_answers(source, source, logits)
    return task.training_batches(source, "student", 0, config)


def make(workload, steps, on_metal):
    """Makes the models of a distillation, with fresh weights.

    Args:
        workload: a `Workload`.
        steps: how many will be taken.
        on_metal: keep to the operators of Apple's plugin.

    Returns:
        (`Distiller`, its optimizer).
    """
    phases = recipes.get(workload.recipe, **workload.options).phases
    phase = max(phases, key=lambda phase: len(phase.active_terms))
    model = workload.task.model if workload.task else MaskedLanguageModel
    teacher = workload.teacher and model(workload.teacher, seed=1)
    student = model(workload.student, seed=2)
    options = StepOptions(
        layerdrop=workload.layerdrop, remat=workload.remat, on_metal=on_metal, steps=steps
    )
    distiller = Distiller(student, phase, teacher, options)
    optimizer = build_optimizer(
        distiller.trained_variables,
        OptimizerSettings(
            learning_rate=1e-3,
            steps=2 * steps,  # the learning rate is still high at the end
            warmup_prop=0.05,
            betas=(0.9, 0.98),
            epsilon=1e-6,
            weight_decay=0.0,
            max_grad_norm=5.0,
        ),
    )
    return distiller, optimizer
