"""Peak learning rates of a run's models: those of the settings, or the defaults."""

from tfdistill import tasks
from tfdistill.models.configs.model_types import get_model_type

BASE_WIDTH = 768  # of BERT-base, for which tasks name their rates
HIGHEST = 3e-4
STUDENT = 2.0  # times the rate of a teacher of the same width


def teacher_learning_rate(config, made):
    """Peak learning rate of the teacher.

    Args:
        config: a `RunConfig`.
        made: the `Plan`, with a teacher.

    Returns:
        float: `teacher_learning_rate`, or a default that depends on the task, and on where the
        teacher starts or how wide it is.
    """
    task, usual = tasks.get(config.task), 1e-4 if config.teacher else 1e-3
    if task.kind:
        usual = fine_tuning_rate(task, made.teacher_config.hidden_size)
    return config.teacher_learning_rate or usual


def student_learning_rate(config, made):
    """Peak learning rate of the student, before the factor of a phase.

    Args:
        config: a `RunConfig`.
        made: the `Plan`.

    Returns:
        float: `learning_rate`, or for tasks other than masked LM, where that is 0, twice the rate
        that a teacher of its width has: the student has lost layers, and so more to learn. A model
        type may have a rate of its own.
    """
    if config.task == tasks.DEFAULT or config.learning_rate:
        return config.learning_rate
    if own := get_model_type(made.student_config.model_type).learning_rate:
        return own
    return fine_tuning_rate(tasks.get(config.task), made.student_config.hidden_size, STUDENT)


def fine_tuning_rate(task, width, times=1.0):
    """The rate at which an encoder learns labels: the task's, and more if it is narrow.

    BERT-base is fine-tuned with up to 5e-5 (Devlin et al., 2019, arXiv:1810.04805, appendix A.3).
    The best rate of Adam is proportional to 1 / width (Yang et al., 2022, arXiv:2203.03466). The
    highest that the smaller BERTs were fine-tuned with is 3e-4 (Turc et al., 2019,
    arXiv:1908.08962).

    Args:
        task: the `Task`.
        width: `hidden_size` of the encoder.
        times: factor of the task's rate.

    Returns:
        float, at most `HIGHEST`.
    """
    return min(times * task.learning_rate * max(1.0, BASE_WIDTH / width), HIGHEST)
