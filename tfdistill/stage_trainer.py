"""Trains the models of a run: settings in, checkpoints, curves and progress lines out."""

from tfdistill.data.batches import as_dataset
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.phases import rates_of
from tfdistill.reports.tensorboard import RunWriter
from tfdistill.sources import teacher_weights
from tfdistill.training.evaluation import scorer
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.loss_scale import loss_scale_for
from tfdistill.training.optimizer import build_optimizer
from tfdistill.training.run_state import StageState

FITTED_ON = 4  # batches, for a start of projections


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
            intervals=Intervals(
                self._config.log_interval,
                self._config.checkpoint_interval,
                self._config.validation_interval,
            ),
            observers=self._observers(stage, steps, writer, scorer(model)),
            jit_compile=self._machine.jit_compile,
            steps_per_execution=self._config.steps_per_execution,
            loss_scale=loss_scale_for(self._machine.precision),
            keep_end=more_follows,
        )
        before = loop.run()
        self._previous = optimizer if more_follows else None
        state.close()
        writer.close()
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

    def _observers(self, stage, steps, writer, score):
        lines = {}

        def restored(rows):
            writer.replay(rows)
            first = rows[-1]["step"] if rows else 0
            if 0 < first < steps:
                self._console.say(f"{stage} goes on from step {first:,}")
            lines["line"] = self._console.progress(stage, steps, first)

        def progress(step, row):
            writer.scalars(step, {key: value for key, value in row.items() if key != "step"})
            text = f"loss {row['loss']:.3f}  {row['tokens_per_second']:,.0f} tokens/s"
            lines["line"](step, text)

        return Observers(progress, restored, lambda: self._validation_loss(score))
