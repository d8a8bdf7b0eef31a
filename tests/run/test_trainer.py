"""One stretch of training, with its checkpoints."""

import pytest

from tfdistill import recipes
from tfdistill.command_line.console import Console
from tfdistill.command_line.run_config import RunConfig
from tfdistill.distillation.teachers import Teachers
from tfdistill.run.trainer import StageTrainer, TrainingStage
from tfdistill.system.devices import Choice

FIRST_STEP, STEPS = 10, 6


class InterruptedConsole(Console):
    """Interrupts a training at its fourth step, as Ctrl-C does."""

    def progress(self, name, steps, first=0):
        line = super().progress(name, steps, first)

        def show(done, text=None):
            if done == 4:
                raise KeyboardInterrupt
            line(done, text)

        show.note = line.note
        return show


class RecordedBatches:
    """Batches that remember which steps they were made for."""

    def __init__(self, make):
        self.make, self.steps = make, []

    def at(self, step):
        self.steps.append(step)
        return self.make(step)


@pytest.mark.slow
def test_projections_are_fitted_on_the_first_batches_of_their_phase(
    tiny_model, tiny_batch, tmp_path
):
    """And not again when the phase continues from a checkpoint, which holds them."""
    student, teacher = tiny_model(1, hidden_size=8, num_attention_heads=2), tiny_model(2)
    phase = recipes.get("tinybert", projection="per_layer").phases[0]
    config = RunConfig(checkpoint_interval=3)
    machine = Choice("cpu", "float32", False, False, 1, "for a test")
    stage = TrainingStage("student-general", phase, STEPS, 1e-3, first_step=FIRST_STEP)

    def train(console):
        batches = RecordedBatches(lambda step: tiny_batch([10, 7], seed=step))
        trainer = StageTrainer(
            config, tmp_path, console, validator=lambda *_: dict, machine=machine
        )
        try:
            trainer.train(stage, student, Teachers([teacher]), batches)
        finally:
            steps.append(batches.steps)

    steps = []
    with pytest.raises(KeyboardInterrupt):
        train(InterruptedConsole())
    train(Console())
    fitted, trained = steps[0][:4], steps[0][4:]
    assert fitted == [10, 11, 12, 13] and trained[:4] == [10, 11, 12, 13]
    assert steps[1] == [13, 14, 15]
