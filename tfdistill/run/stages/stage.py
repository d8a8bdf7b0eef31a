"""What all stages of a run share."""


class Stage:
    """One part of a run.

    A stage stores its facts in the run's directory when it is done; a run that is started again
    skips it.

    Attributes:
        name: one of `directory.STAGES`.
    """

    name = ""

    def is_done(self, context):
        """Whether the stage can be skipped.

        Args:
            context: the `RunContext`.
        """
        return context.directory.done(self.name) is not None

    def run(self, context):
        """Does the work and stores its facts.

        Args:
            context: the `RunContext`.
        """
        raise NotImplementedError
