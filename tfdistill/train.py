"""The main job: raw text, a teacher, a student that learns from it, and the files for a phone.

    python -m tfdistill.train --flagfile=configs/mini.flags

Writes the folder --output_dir: teacher/, student/, export/, report.html, metrics.json,
tensorboard/. A run that was stopped goes on when the same command is given again. With --json the
metrics are printed on standard output.
"""

import json

from tfdistill import cli, flags


def main():
    """Runs the command."""
    groups = [flags.CORPUS, flags.TEACHER, flags.STUDENT, flags.DISTILLATION]
    cli.run(_train, __doc__, [*groups, flags.OPTIMIZER, flags.RUN])


def _train(config):
    from tfdistill import devices
    from tfdistill.training.run_state import stored_device

    device = config.device
    if device == "auto" and not config.force:
        device = stored_device(config.output_dir) or device
    machine = devices.prepare(device)  # before anything else imports TensorFlow: it keeps it quiet
    from tfdistill.main_job import MainJob
    from tfdistill.progress import Console

    metrics, failure = MainJob(config, Console(json=config.json), machine).run()
    if config.json:
        print(json.dumps(metrics))
    if failure:
        raise failure


if __name__ == "__main__":
    main()
