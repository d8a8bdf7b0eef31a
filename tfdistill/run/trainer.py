"""Trains the models of a run: settings in, checkpoints, curves and progress lines out."""

import contextlib

from tfdistill.data.batches import as_dataset
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.phases import rates_of
from tfdistill.reports.tensorboard import RunWriter
from tfdistill.run.sources import teacher_weights
from tfdistill.training.checkpoints import StageState
from tfdistill.training.evaluation import scorer
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.loss_scale import loss_scale_for
from tfdistill.training.optimizer import build_optimizer

FITTED_ON = 4  # batches, for a start of projections
VALIDATIONS = 10  # at least, over a model's training, after the one before its first step


class StageTrainer:
    """Trains with the settings of one run; each stage goes on from its last checkpoint.

    Args:
        config: a `RunConfig`.
        path: `Path` of the run.
        console: a `Console`.
        validation_loss: called with a scorer; returns nats.
        machine: a `devices.Choice`.
    """

    def __init__(self, config, path, console, *, validation_loss, machine):
        self._config, self._path, self._console = config, path, console
        self._validation_loss, self._machine = validation_loss, machine
        self._previous = None

    def train(
        self,
        stage,
        model,
        teachers,
        phase,
        *,
        steps,
        learning_rate,
        layerdrop,
        batches,
        first_step=0,
        all_steps=None,
        more_follows=False,
    ):
        """Runs one phase to its end.

        Args:
            stage: its name among the run's.
            model: the `MaskedLanguageModel` that learns.
            teachers: list of those it learns from; of the first, layers too.
            phase: a `Phase`.
            steps: optimizer steps.
            learning_rate: the run's, of which the phase may take a part.
            layerdrop: share of the model's layers that a step skips.
            batches: `TrainingBatches` or `CachedBatches`.
            first_step: steps that the model took in earlier phases, whose batches and draws are
                not taken again.
            all_steps: those of all its phases; None where this is the only one.
            more_follows: whether another phase goes on with the model, so that a stop in it must
                find this one's end.

        Returns:
            Seconds of training before the last stop; 0 when there was none.
        """
        first, *others = teachers or (None,)
        distiller = Distiller(
            model,
            phase,
            first,
            seed=self._config.seed,
            layerdrop=layerdrop,
            micro_batches=self._config.gradient_accumulation_steps,
            remat=self._config.remat,
            on_metal=self._machine.on_metal,
            steps=steps,
            first_step=first_step,
            more_teachers=others,
            teacher_weights=teacher_weights(self._config) if others else (),
        )
        if not self.has_checkpoint(stage):  # which would take their place
            count = min(FITTED_ON, steps)
            distiller.fit_projections(as_dataset(batches, first_step, first_step + count))
        optimizer = self._optimizer(distiller, learning_rate * phase.learning_rate, steps)
        writer = RunWriter(self._path / "tensorboard" / stage)
        state = self._state(stage)
        loop = TrainingLoop(
            distiller,
            optimizer,
            steps=steps,
            dataset=lambda first, end: as_dataset(batches, first_step + first, first_step + end),
            state=state,
            intervals=self._intervals(all_steps or steps, first_step),
            observers=self._observers(stage, steps, writer, scorer(model)),
            jit_compile=self._machine.jit_compile,
            steps_per_execution=self._config.steps_per_execution,
            loss_scale=loss_scale_for(self._machine.precision),
            keep_end=more_follows,
        )
        with contextlib.closing(writer):
            before = loop.run()
        self._previous = optimizer if more_follows else None
        state.close()
        return before

    def has_checkpoint(self, stage):
        """Whether a stage was begun, and goes on from what it had."""
        return self._state(stage).has_checkpoint()

    def delete_checkpoints(self, stage):
        """Deletes what only a stopped stage needs."""
        self._state(stage).delete_checkpoints()

    def rows(self, stage):
        """What a stage logged: a list of dicts."""
        return self._state(stage).load_rows()

    def _state(self, stage):
        return StageState(self._path / "checkpoints", stage)

    def _optimizer(self, distiller, learning_rate, steps):
        config = self._config
        # Let go before another is made: it holds two moments of every weight.
        previous, self._previous = self._previous, None
        if distiller.phase.fresh_optimizer:
            previous = None
        return build_optimizer(
            distiller.trained_variables,
            learning_rate=learning_rate,
            steps=steps,
            warmup_prop=config.warmup_prop,
            betas=(config.adam_beta1, config.adam_beta2),
            epsilon=config.adam_epsilon,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            rates=rates_of(
                distiller.phase,
                distiller.trained_variables,
                distiller.student.config.num_hidden_layers,
            ),
            previous=previous,
        )

    def _intervals(self, steps, first_step):
        """Of a phase of a model that is trained for `steps` in all."""
        config = self._config
        return Intervals(
            config.log_interval,
            config.checkpoint_interval,
            min(config.validation_interval, max(1, steps // VALIDATIONS)),
            # That of a later phase is the last one of the phase before.
            validates_start=first_step == 0,
        )

    def _observers(self, stage, steps, writer, score):
        line, validation = None, ""  # the last one's loss: that of training is a weighted sum

        def restored(first, rows):
            nonlocal line
            writer.replay(rows)
            if 0 < first < steps:
                self._console.say(f"{stage} goes on from step {first:,}")
            line = self._console.progress(stage, steps, first)
            measured = [row for row in rows if "validation_loss" in row]
            show_validation(*measured[-1:])

        def show_validation(row=None):
            nonlocal validation
            if row and "validation_loss" in row:
                validation = f"  validation {row['validation_loss']:.3f} nats"

        def progress(step, row):
            writer.row(row)
            show_validation(row)
            if "loss" in row:
                loss, pace = row["loss"], row["tokens_per_second"]
                line(step, f"loss {loss:.3f}{validation}  {pace:,.0f} tokens/s")

        return Observers(
            progress,
            restored,
            validate=lambda: self._validation_loss(score),
            stepped=lambda step: step < steps and line(step),  # the last one is logged, too
            doing=lambda text: line.note(text),
        )
