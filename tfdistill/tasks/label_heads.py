"""Tasks whose heads are Hugging Face's: classes or a number, tags, and spans."""

import copy

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.system.errors import UserError
from tfdistill.tasks.task import Task

TEXT, TAGS, SPANS = "text", "tags", "spans"  # values of `Task.kind`


class TaskWithHead(Task):
    """Base class of tasks with the heads of `models.heads`.

    A task that is bound to its classes loads heads with these classes in this order, whatever the
    order in the folder. An unbound task takes a folder's classes as they are.

    Attributes:
        gives_number: whether the head of a text gives one number instead of classes.
        pooling: pooling of fresh heads of texts, one of `heads.classification.POOLINGS`; "" for
            that of the folder or of the model type. A head that is loaded keeps its own.
    """

    gives_number = False

    def head(self, config):
        return self.fresh_head(config)

    def fresh_head(self, config, pooling=""):
        """A fresh head for the task's classes.

        Args:
            config: `EncoderConfig` of the encoder.
            pooling: of a text, where the task has none of its own; "": as the model type has it.

        Returns:
            A head of `models.heads`.
        """
        head = self._head_class(config)
        if self.kind == TEXT:
            pooling = self.pooling or pooling or (self.has_pairs and _of_pairs(config)) or ""
            return head(config, self.labels_names, pooling)
        return head(config, self.labels_names) if self.kind == TAGS else head(config)

    def read_head(self, config, values):
        """The head that a config.json describes, with fresh weights.

        Args:
            config: `EncoderConfig` of the encoder.
            values: dict, the content of config.json.

        Returns:
            A head; None where the file describes one of another task.

        Raises:
            UserError: its classes are not those of the task.
        """
        head_class = self._head_class(config)
        classes = values.get("architectures") or [head_class.architecture]
        if not any(name.endswith(head_class.architecture) for name in classes):
            return None  # whose labels mean something else
        head = head_class.of(config, values)
        if self.kind == TEXT and self.gives_number == bool(head.labels):
            return None
        self._names(head)
        return head

    def load(self, directory):
        """Loads a `Model`; its head is None where the directory has no head of this task.

        Raises:
            UserError: a file is missing or damaged, or the head's classes are not the task's.
        """
        model = super().load(directory)
        if model.head is not None and self.labels_names:
            model.head.labels = self._names(model.head)
            model.head.arrange(self.labels_names)
        return model

    def load_for_training(self, directory, seed):
        """Loads a `Model` with its head, or puts a fresh one on the encoder of a directory.

        Args:
            directory: Hugging Face directory or hub name.
            seed: int, seed of the fresh weights.
        """
        model = self.load(directory)
        if model.head is not None:
            return model
        from tfdistill.models.hugging_face.checkpoint import load_with_fresh_head

        return load_with_fresh_head(directory, self.fresh_head, seed)

    def head_of(self, model):
        """The head of this task that a model has, with its own classes.

        Args:
            model: a `Model`; or a Hugging Face directory or hub name.

        Returns:
            A head; None without one.
        """
        from tfdistill.models.hugging_face.checkpoint import describe_head

        if hasattr(model, "config"):
            return model.head
        free = copy.copy(self)
        free.labels_names = ()  # the head's own classes are read, whatever those of the data are
        return describe_head(model, free.read_head)

    def bound_to(self, model, known=()):
        """The task with the classes of a model.

        Args:
            model: a `Model`; or a Hugging Face directory or hub name.
            known: tuple of names, the classes of the data, which may be some of the model's: a
                class that nobody named, "LABEL_3", is "3" if there is such a name.

        Returns:
            A task, with the pooling of the model.

        Raises:
            UserError: the model has no head of this task, or lacks a class of the data.
        """
        from tfdistill.models.heads.label_names import with_names_of

        head, name = self.head_of(model), "the model" if hasattr(model, "config") else model
        self._require_head(head, name)
        return self.bound(with_names_of(known, head.labels, name), getattr(head, "pooling", ""))

    def require_order(self, model):
        """Refuses a model in memory whose outputs are not the task's classes in their order.

        Args:
            model: a `Model` with a head.

        Raises:
            UserError: the head is that of another task, or they have other names or another order.
        """
        self._require_head(model.head, "the model")
        if self.labels_names and self._names(model.head) != self.labels_names:
            raise UserError(
                "the model's classes have another order than those of the data: save it, and give "
                "its directory"
            )

    def initialize_student(self, teacher, config, **options):
        """Cuts a student from a teacher; a fresh head has the pooling of the teacher's."""
        task = copy.copy(self)
        task.pooling = self.pooling or getattr(teacher.head, "pooling", "")
        return super(TaskWithHead, task).initialize_student(teacher, config, **options)

    def joint_logits(self, logits, shares):
        """The logits of several models as those of one.

        Args:
            logits: list of float32 tensors, one of each model.
            shares: weights of the models; they sum to 1.

        Returns:
            float32 tensor: of classes and tags, logarithms of the mean probabilities; of numbers
            and spans, the mean of the logits.
        """
        import tensorflow as tf

        from tfdistill.distillation.losses.projected_logits import log_mixture

        if self.gives_number or self.kind == SPANS:
            return tf.add_n([share * each for share, each in zip(shares, logits, strict=True)])
        return log_mixture(logits, shares, axis=-1)

    def _require_head(self, head, name):
        if head is None or not isinstance(head, self._head_class(head.config)):
            raise UserError(
                f"{name} has no head for the task {self.name}: train it with one first, or use "
                "another model"
            )

    def _head_class(self, config):
        from tfdistill.models.heads.classification import text_head_of
        from tfdistill.models.heads.spans import SpanHead
        from tfdistill.models.heads.tokens import TokenHead

        if self.kind == TEXT:
            return text_head_of(config)
        return TokenHead if self.kind == TAGS else SpanHead

    def _names(self, head):
        """The head's classes under the task's names; see `match_labels`."""
        from tfdistill.models.heads.label_names import match_labels

        bound = self.labels_names and head.labels
        return match_labels(head.labels, self.labels_names) if bound else head.labels


def _of_pairs(config):
    """The pooling of a fresh head for pairs of texts; "" for the model type's usual one."""
    from tfdistill.models.heads.classification import COMPARE

    return COMPARE if get_model_type(config.model_type).heads.compares else ""
