"""The models of a run in memory, each read from its folder when it is first needed."""

SHARED = "teacher", "student"  # measured, exported and shown: read once for all three


class LoadedModels:
    """The models of a run.

    Those that train, or teach, are made in the run's precision. Those that are measured and
    exported are read from the folders that people get, and compute in float32.

    Args:
        directory: the run's `RunDirectory`.
        teacher_names: list of folders or hub names that the teachers are loaded from; empty when
            the teacher is made in this run.
        training: function that returns the context in which models for training are made.
        task: the `Task`, which loads models with its head.
    """

    def __init__(self, directory, teacher_names, training, task):
        self._directory, self._names, self._training = directory, teacher_names, training
        self._load = task.load
        self._teachers = self._start = None
        self._saved = {}

    @property
    def teachers(self):
        """Teachers in the run's precision: a list, empty while there are none."""
        if self._teachers is None:
            self.load_teachers()
        return self._teachers

    @teachers.setter
    def teachers(self, models):
        self._teachers = models

    def load_teachers(self):
        """Reads the teachers from the run, or before that from the folders that are named."""
        names = self._names
        if self._directory.done("teacher"):  # their origin may no longer exist
            names = self._directory.teachers(len(names) or 1)
        with self._training():
            self._teachers = [self._load(name) for name in names]

    @property
    def start(self):
        """The student before its first step, in the run's precision."""
        if self._start is None:
            with self._training():
                self._start = self._load(self._directory.start)
        return self._start

    @start.setter
    def start(self, model):
        self._start = model

    def release_training(self):
        """Frees the models that trained or taught."""
        self._teachers = self._start = None

    def saved(self, key):
        """A finished model in float32, as it is saved.

        Args:
            key: its key in metrics.json.

        Returns:
            `Model`; teacher and student stay in memory.
        """
        model = self._saved.get(key) or self._load(self._directory.model(key))
        if key in SHARED:
            self._saved[key] = model
        return model

    def saved_teachers(self, count):
        """All teachers in float32, as they are saved: a list."""
        return [self.saved_teacher(number) for number in range(count)]

    def saved_teacher(self, number):
        """One of several teachers in float32, as it is saved: a `Model`.

        Args:
            number: its place in `teacher`, from 0.
        """
        if not number:
            return self.saved("teacher")
        return self._load(self._directory.teachers(number + 1)[number])
