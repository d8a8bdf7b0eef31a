"""The main job: raw text, a teacher, a student that learns from it, and the files for a phone.

    python -m tfdistill.train --flagfile=configs/mini.flags

Writes the folder --output_dir: teacher/, student/, export/, report.html, metrics.json,
tensorboard/. A run that was stopped goes on when the same command is given again. With --json the
metrics are printed on standard output.
"""

import dataclasses
import json

from tfdistill import cli, flags
from tfdistill.errors import UserError


def main():
    """Runs the command."""
    groups = [flags.CORPUS, flags.TEACHER, flags.STUDENT, flags.DISTILLATION]
    cli.run(_train, __doc__, [*groups, flags.OPTIMIZER, flags.RUN])


def _train(config):
    machine = _machine(config)  # before anything else imports TensorFlow: it keeps it quiet
    from tfdistill.main_job import MainJob
    from tfdistill.progress import Console

    metrics, failure = MainJob(config, Console(json=config.json), machine).run()
    if config.json:
        print(json.dumps(metrics))
    if failure:
        raise failure


def _machine(config):
    """What to compute on; a run that goes on keeps its device."""
    from tfdistill import devices
    from tfdistill.training.run_state import stored_device

    stored = None if config.force else stored_device(config.output_dir)
    if config.device != "auto" or stored is None:
        return devices.prepare(config.device)
    try:
        return dataclasses.replace(devices.prepare(stored), reason="as the run began")
    except UserError as error:
        raise UserError(
            f"--output_dir={config.output_dir} holds a run begun on a GPU, and there is none: "
            "--device=cpu goes on without it"
        ) from error


if __name__ == "__main__":
    main()
