"""Augmentation: variants of the training examples, which the teacher will answer."""

import numpy as np

from tfdistill.data.labelled.encoded import TAUGHT
from tfdistill.run.augmentation import make_variants, read_variants, write_variants
from tfdistill.run.plan import student_steps
from tfdistill.run.recipe_checks import split_steps
from tfdistill.run.stages.stage import Stage
from tfdistill.settings.augmentation import BILSTM
from tfdistill.system import clock
from tfdistill.system.errors import UserError
from tfdistill.system.sums import file_digest
from tfdistill.tasks.label_heads import TAGS


class Augmentation(Stage):
    """Puts variants beside the training examples.

    They stand in a file of the run. The words that a masked LM proposed are kept in `shards_dir`,
    so that a run that was stopped, and other runs on the same texts, need no further pass of it.
    """

    name = "augmentation"

    def is_done(self, context):
        """Whether the run has no variants, or no student is left that learns from them."""
        return not context.config.augmentation or context.directory.done("student") is not None

    def run(self, context):
        """Reads the variants, or makes them."""
        started, file = clock.now(), context.directory.augmented
        done, facts = context.directory.done(self.name), None
        if done and not _is_whole(file, done):
            context.console.warn([f"warning: {file} is damaged or missing, and made again"])
            done = None
        if not done:
            augmented, facts = make_variants(context)
            if not augmented.examples:
                raise UserError(
                    "`augmentation`: no text has another variant: raise its probabilities or "
                    "`augmentation_rows`, or give `word_vectors`"
                )
            write_variants(file, augmented)
        variants = read_variants(file, context.data.splits["train"])
        tokenizers = context.tokenizers
        student = teacher = _source(context, variants, tokenizers.student)
        if tokenizers.teacher is not tokenizers.student:
            teacher = _source(context, variants, tokenizers.teacher)
        context.augmented = student, teacher
        if not done:
            context.console.say(_words(facts))
            steps = student_steps(context.config, context.task, student)
            split_steps(steps, context.plan.recipe.phases)
            digest = file_digest(file)
            context.finish(self.name, started, steps=steps, facts=facts, sha256=digest)


def _is_whole(file, done):
    """Whether the file of variants is the one that was written; an older run does not know."""
    return file.is_file() and done.get("sha256") in (None, file_digest(file))


def _source(context, variants, tokenizer):
    examples = [*context.data.splits["train"], *variants]
    if context.config.augmentation == BILSTM:
        tokenizer = tokenizer.with_hidden_words()
    source = context.task.encode(examples, tokenizer, context.config.length)
    if context.task.kind == TAGS:
        taught = (source.texts.words >= 0).astype(np.float32)
        return source.with_arrays(per_token={TAUGHT: taught})
    return source.with_arrays(per_row={TAUGHT: np.ones(len(source), np.float32)})


def _words(facts):
    return (
        f"augmentation: {facts['examples']:,} examples and {facts['variants']:,} variants of them; "
        f"{facts['repeated']:,} were drawn again, {facts['held_out']:,} are in held-out data, "
        f"{facts['beyond']:,} are over `augmentation_rows`"
    )
