"""The masked LM that proposes words for augmentation; one without a head gets it here."""

import dataclasses
from pathlib import Path

from tfdistill import tasks
from tfdistill.data.tokenizer import load_mask_tokenizer, load_tokenizer
from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.hugging_face.checkpoint import resolve_directory, save_model
from tfdistill.recipes.head import head_phases
from tfdistill.run.augmentation_checks import no_words_from, source_of_words
from tfdistill.run.proposed_words import digest_of_weights
from tfdistill.run.sources import holds_tokenizer
from tfdistill.run.trainer import StageTrainer, TrainingStage
from tfdistill.system.kept import kept_folder
from tfdistill.tasks.task_data import TEACHER

FOLDER = "masked_lm_heads"  # in `shards_dir`
STAGE = "augmentation_head"
SEED = 0  # of all runs, so that those with other seeds share the head and its words
LEARNING_RATE = 1e-3  # the peak: the head is fresh, and everything else stays


def proposing_model(context):
    """Loads the model that `augmentation_model` names, or the teacher as it was loaded.

    Args:
        context: the `RunContext`.

    Returns:
        (`MaskedLanguageModel` in float32, its `Tokenizer`).

    Raises:
        UserError: the model or its tokenizer cannot be read, the vocabularies differ, or it has no
            masked-LM head and cannot get one here.
    """
    task, config = tasks.get("masked_lm"), context.config
    name, setting = source_of_words(config, context.plan.teacher_names)
    folder = resolve_directory(name)
    model = task.load(folder)
    trained_here = get_model_type(model.config.model_type).learns_text
    load = load_tokenizer if trained_here else load_mask_tokenizer
    tokenizer = load(str(folder) if holds_tokenizer(folder) else config.tokenizer)
    tokenizer.require_table(model.config.vocab_size, name)
    if model.head is None:
        if not trained_here:
            raise no_words_from(name, setting, model.config.model_type)
        model = task.load(_kept_with_head(context, task, folder, model, tokenizer))
    return model, tokenizer


def _kept_with_head(context, task, folder, encoder, tokenizer):
    """The folder of the model with a head that was trained on `corpus`."""
    console, positions = context.console, encoder.config.max_position_embeddings
    length = min(context.config.length, positions)
    config = dataclasses.replace(context.config, length=length, seed=SEED)
    corpus = task.open_data(config)
    prepared = task.prepare(corpus, tokenizer, config, console.preparation)
    identity = {
        "model": digest_of_weights(encoder),
        "text": prepared.identity,
        "tokenizer": tokenizer.hash,
        **{name: getattr(config, name) for name in _SETTINGS},
    }

    def make(aside):
        source = prepared.sources["train"]
        with context.training():
            model = task.load_for_training(folder, config.seed)
            task.set_prior(model, source)
            _train_head(context, config, task, model, source)
        save_model(model, aside)

    console.say(f"{folder} has no masked-LM head: it gets one on {corpus.name}")
    root = Path(config.shards_dir) / FOLDER
    return kept_folder(root, identity, make, context.tell_wait("masked-LM head"))


_SETTINGS = (
    *("head_steps", "length", "batch_size", "gradient_accumulation_steps"),
    *("masked_lm_prob", "whole_word_masking", "warmup_prop", "weight_decay", "max_grad_norm"),
    *("adam_beta1", "adam_beta2", "adam_epsilon"),
)


def _train_head(context, config, task, model, source):
    trainer = StageTrainer(
        config,
        context.directory.path,
        context.console,
        validator=lambda model, parts: None,
        machine=context.machine,
    )
    (phase,) = head_phases(1.0)
    stage = TrainingStage(STAGE, phase, config.head_steps, LEARNING_RATE)
    trainer.train(stage, model, None, task.training_batches(source, TEACHER, config.seed, config))
    trainer.delete_checkpoints(STAGE)
