"""A masked-LM head for an encoder without one: trained on text here, and kept in `shards_dir`."""

import dataclasses
from pathlib import Path

from tfdistill import tasks
from tfdistill.models.hugging_face.checkpoint import save_model
from tfdistill.recipes.head import head_phases
from tfdistill.run.proposed_words import digest_of_weights
from tfdistill.run.trainer import StageTrainer, TrainingStage
from tfdistill.system.kept import kept_folder
from tfdistill.tasks.task_data import TEACHER

FOLDER = "masked_lm_heads"  # in `shards_dir`
STAGE = "masked_lm_head"
SEED = 0  # of all runs, so that those with other seeds share the head
LEARNING_RATE = 1e-3  # the peak: the head is fresh, and everything else stays
_SETTINGS = (
    *("head_steps", "length", "batch_size", "gradient_accumulation_steps"),
    *("masked_lm_prob", "whole_word_masking", "warmup_prop", "weight_decay", "max_grad_norm"),
    *("adam_beta1", "adam_beta2", "adam_epsilon"),
)


def folder_with_head(context, folder, encoder, tokenizer):
    """Trains a masked-LM head on `corpus`, or finds it as an earlier run trained it.

    The encoder stays as it is.

    Args:
        context: the `RunContext`.
        folder: the folder of the encoder.
        encoder: `MaskedLanguageModel` that was read from it, without a head.
        tokenizer: its `Tokenizer`.

    Returns:
        `pathlib.Path` of the folder of the same model with a head.

    Raises:
        UserError: the text cannot be read, or `shards_dir` cannot be written.
    """
    task, console = tasks.get("masked_lm"), context.console
    positions = encoder.config.max_position_embeddings
    length = min(context.config.length, positions)
    config = dataclasses.replace(context.config, length=length, seed=SEED)
    corpus = task.open_data(config)
    prepared = task.prepare(corpus, tokenizer, config, console.preparation)
    identity = {
        "model": digest_of_weights(encoder),
        "text": prepared.identity,
        "tokenizer": tokenizer.hash,
        "precision": context.machine.precision,
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
