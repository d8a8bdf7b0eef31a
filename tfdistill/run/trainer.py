"""Training of the models of a run, with its checkpoints, curves and progress lines."""

import contextlib
import dataclasses

from tfdistill.data.labelled.batches import LabelledBatches
from tfdistill.data.pipeline import as_dataset
from tfdistill.distillation.distiller import Distiller, StepOptions
from tfdistill.distillation.losses import LOSSES
from tfdistill.distillation.phases import Phase, rates_of
from tfdistill.reports.tensorboard import RunWriter
from tfdistill.run.bad_batches import BadBatches
from tfdistill.training.best import BestWeights
from tfdistill.training.checkpoints import StageState
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.loss_scale import loss_scale_for
from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
from tfdistill.training.step import TrainStep

TOLD_SPIKES = 5  # of one stage; the file has all
VALIDATIONS = 10  # at least, over a model's training, after the one before its first step


@dataclasses.dataclass(frozen=True)
class TrainingStage:
    """One phase of one model's training.

    Args:
        name: name of the stage in the run: of its checkpoints, curves and TensorBoard run.
        phase: the `Phase`.
        steps: optimizer steps.
        learning_rate: peak learning rate, before the phase's own factor.
        layerdrop: probability that a step skips a layer of the model.
        first_step: steps of earlier phases of this model; batches and random draws continue from
            there.
        all_steps: steps of all phases of this model; None if this phase is the only one.
        more_follows: whether another phase continues from this one's last checkpoint.
        measures_start: whether the validation split is measured before the first step; else the
            phase before has measured it.
    """

    name: str
    phase: Phase
    steps: int
    learning_rate: float
    layerdrop: float = 0.0
    first_step: int = 0
    all_steps: int | None = None
    more_follows: bool = False
    measures_start: bool = True


class StageTrainer:
    """Trains models with the settings of one run; a stopped stage continues from its checkpoint.

    Args:
        config: a `RunConfig`.
        path: `Path` of the run.
        console: a `Console`.
        validator: function of a model and of the `PartRanges` of a phase to a function that
            returns a point of the validation curve, a dict (see `RunContext.curve_validator`).
        machine: a `devices.Choice`.
        best_by: the `Metric` whose best point is a training's result; None: its last step is.
        beside: further `Metric`s of the curves that progress lines show.
        tokenizer: the tokenizer of the batches' ids, for `dump_bad_batch`; None: without texts.
    """

    def __init__(
        self, config, path, console, *, validator, machine, best_by=None, beside=(), tokenizer=None
    ):
        self._config, self._path, self._console = config, path, console
        self._tokenizer = tokenizer
        self._validator, self._machine, self._best_by = validator, machine, best_by
        self._previous, self._beside = None, beside

    def train(self, stage, model, teachers, batches):
        """Trains a model for one stage, from its last checkpoint if there is one.

        Args:
            stage: a `TrainingStage`.
            model: the `MaskedLanguageModel` to train.
            teachers: `Teachers`; None for a phase without a teacher.
            batches: `TrainingBatches` or `CachedBatches`.

        Returns:
            Seconds of training before the last stop; 0 if the stage was never stopped.
        """
        options = StepOptions(
            seed=self._config.seed,
            layerdrop=stage.layerdrop,
            micro_batches=self._config.gradient_accumulation_steps,
            remat=self._config.remat,
            on_metal=self._machine.on_metal,
            steps=stage.steps,
            first_step=stage.first_step,
        )
        distiller = Distiller(model, stage.phase, teachers, options, self._tokens(batches))

        def dataset(first, end):
            return as_dataset(batches, stage.first_step + first, stage.first_step + end)

        if not self.has_checkpoint(stage.name):  # a checkpoint holds the fitted projections
            distiller.fit_projections(dataset(0, min(distiller.batches_to_fit, stage.steps)))
        optimizer = self._optimizer(distiller, stage)
        writer = self._writer(stage.name, stage.phase)
        state = self._state(stage.name)
        loss_scale = loss_scale_for(self._machine.precision)
        state.best = self._best(stage, model, state.directory)
        validate = self._validator(model, stage.phase.parts) if stage.phase.measured else None
        loop = TrainingLoop(
            TrainStep(distiller, optimizer, self._machine.jit_compile, loss_scale),
            dataset,
            steps=stage.steps,
            state=state,
            intervals=self._intervals(stage),
            observers=self._observers(
                stage, writer, validate, self._bad_batches(stage, batches), state.damaged
            ),
            steps_per_execution=self._config.steps_per_execution,
            keep_end=stage.more_follows,
        )
        with contextlib.closing(writer):
            before = loop.run()
        self._take_best(stage, state.best)
        self._previous = optimizer if stage.more_follows else None
        state.close()
        return before

    def has_checkpoint(self, stage):
        """Whether a stage has a checkpoint to resume from."""
        return self._state(stage).has_checkpoint()

    def delete_checkpoints(self, stage):
        """Deletes the checkpoints of a finished stage."""
        self._state(stage).delete_checkpoints()

    def rows(self, stage):
        """Logged points of a stage: a list of dicts."""
        return self._state(stage).load_rows()

    def show(self, stage, phase):
        """Writes the logged points of a finished stage to TensorBoard.

        Args:
            stage: its name.
            phase: its `Phase`.
        """
        with contextlib.closing(self._writer(stage, phase)) as writer:
            writer.replay(self.rows(stage))

    def _writer(self, stage, phase):
        terms = phase.active_terms
        descriptions = {f"loss_{term.name}": LOSSES[term.loss].description for term in terms}
        return RunWriter(self._path / "tensorboard" / stage, descriptions)

    def _best(self, stage, model, directory):
        metric, patience = self._best_by, self._config.patience
        # Parts of a super-student are best at different steps.
        if metric is None or stage.more_follows or stage.phase.parts is not None:
            return None
        return BestWeights(model, directory, metric.curve_key, metric.higher_is_better, patience)

    def _take_best(self, stage, best):
        if best and best.step is not None:
            best.load()
            self._console.say(f"{stage.name}: the weights of step {best.step:,} are the best")

    def _state(self, stage):
        return StageState(self._path / "checkpoints", stage)

    def _tokens(self, batches):
        """Ids of all tokens in the batches of labelled examples; None: steps update whole tables.

        None for text, of which any token may occur, and on GPUs: Metal lacks operators, and several
        devices cannot update rows.
        """
        if self._machine.device != "cpu" or not isinstance(batches, LabelledBatches):
            return None
        return batches.tokens()

    def _optimizer(self, distiller, stage):
        config = self._config
        # Released before the new one is made: an optimizer holds two moments of every weight.
        previous, self._previous = self._previous, None
        if distiller.phase.fresh_optimizer:
            previous = None
        return build_optimizer(
            distiller.trained_variables,
            OptimizerSettings(
                learning_rate=stage.learning_rate * stage.phase.learning_rate,
                steps=stage.steps,
                warmup_prop=config.warmup_prop,
                betas=(config.adam_beta1, config.adam_beta2),
                epsilon=config.adam_epsilon,
                weight_decay=config.weight_decay,
                max_grad_norm=config.max_grad_norm,
                constant=stage.phase.constant_rate,
            ),
            rates=rates_of(
                distiller.phase,
                distiller.trained_variables,
                distiller.student.config.num_hidden_layers,
            ),
            previous=previous,
            rows=distiller.gradient_rows,
        )

    def _validation(self, row):
        metrics, unit = [*self._beside], " nats"
        if self._best_by is not None:
            metrics, unit = [self._best_by, *metrics], ""
        values = [f"{each.name} {each.text({each.key: row[each.curve_key]})}" for each in metrics]
        return ", ".join([f"{row['validation_loss']:.3f}{unit}", *values])

    def _bad_batches(self, stage, batches):
        return BadBatches(
            self._path / "bad_batches",
            stage.name,
            batches,
            first_step=stage.first_step,
            tokenizer=self._tokenizer,
            writes=self._config.dump_bad_batch,
        )

    def _intervals(self, stage):
        config, steps = self._config, stage.all_steps or stage.steps
        return Intervals(
            config.log_interval,
            config.checkpoint_interval,
            min(config.validation_interval, max(1, steps // VALIDATIONS)),
            validates_start=stage.measures_start,
        )

    def _observers(self, stage, writer, validate, batches, damaged):
        # Progress lines show the last validation loss, too: the training loss is a weighted sum.
        line, validation, steps, spikes = None, "", stage.steps, 0

        def restored(first, rows):
            nonlocal line
            writer.replay(rows)
            for file in dict.fromkeys(damaged):
                self._console.warn([f"warning: {file} is damaged; an earlier checkpoint is used"])
            if 0 < first < steps:
                self._console.say(f"{stage.name} goes on from step {first:,}")
            line = self._console.progress(stage.name, steps, first)
            measured = [row for row in rows if "validation_loss" in row]
            show_validation(*measured[-1:])

        def show_validation(row=None):
            nonlocal validation
            if row and "validation_loss" in row:
                validation = f"  validation {self._validation(row)}"

        def progress(step, row):
            writer.row(row)
            show_validation(row)
            if "loss" in row:
                loss, pace = row["loss"], row["tokens_per_second"]
                line(step, f"loss {loss:.3f}{validation}  {pace:,.0f} tokens/s")

        def spiked(spike):
            nonlocal spikes
            told = [batches.keep(step - 1) for step in spike["steps"]][-1]
            spikes += 1
            if spikes <= TOLD_SPIKES:
                file = self._path / "checkpoints" / stage.name / "spikes.jsonl"
                self._console.say(
                    f"{stage.name}: at step {spike['step']:,} the loss is {spike['loss']:.3f}, "
                    f"where {spike['usual']:.3f} is usual; its rows are in {file}{told}"
                )

        return Observers(
            progress,
            restored,
            validate=validate,
            stepped=lambda step: step < steps and line(step),  # the last step is logged
            doing=lambda text: line.note(text),
            spiked=spiked,
            rows_of=batches.rows_of,
            keep_batch=batches.keep,
        )
