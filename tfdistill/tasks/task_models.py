"""What a task says about its models: the part of its interface that makes and reads them.

Modules that import TensorFlow are imported inside the methods, because reports read tasks, too.
"""

from types import MappingProxyType


class TaskModels:
    """The head of a task's models, and where models come from.

    Attributes:
        hard_loss: name of the loss that compares the student with the labels alone.
        label_losses: names of all losses that need no teacher: `hard_loss`, and perhaps others.
        pairs: whether the models have a `NextSentenceHead`, too.
        has_pairs: whether examples are pairs of texts, which models of some types compare.
        distillation_losses: dict of "labels" (the hard loss), "kl" and "mse" (comparisons with the
            logits of the teacher) to names of losses, for the recipe `kd`.
        learning_rate: peak learning rate at which a teacher of BERT-base's width is fine-tuned on
            the labels.
        outputs_are_tokens: whether the logits are scores of all tokens of the vocabulary.
    """

    hard_loss = "cross_entropy"
    distillation_losses = MappingProxyType(
        {"labels": "cross_entropy", "kl": "logits_kl", "mse": "logits_mse"}
    )
    learning_rate = 5e-5
    outputs_are_tokens = False
    pairs = has_pairs = False

    @property
    def label_losses(self):
        return frozenset([self.hard_loss])

    def head(self, config):
        """A fresh head.

        Args:
            config: `EncoderConfig` of the encoder.

        Returns:
            A head, such as `SmallHead`.
        """
        raise NotImplementedError

    def model(self, config, seed):
        """A fresh `Model` with the task's head.

        Args:
            config: `EncoderConfig`.
            seed: int; None leaves the matrices at zero.
        """
        from tfdistill.models.encoder import Encoder
        from tfdistill.models.model import Model

        return Model(Encoder(config), self.head(config), seed)

    def load(self, directory):
        """Loads a `Model`; its head is None where the directory has no head of this task."""
        from tfdistill.models.hugging_face.checkpoint import load_model

        return load_model(directory, head=self._read_head)

    def load_for_training(self, directory, seed):
        """Loads a `Model` with its head, or puts a fresh one on the encoder of a directory.

        Args:
            directory: Hugging Face directory or hub name.
            seed: int, seed of the fresh weights.
        """
        from tfdistill.starts.copied_ends import copy_weights

        model = self.load(directory)
        if model.head is not None:
            return model
        fresh = self.model(model.config, seed)
        copy_weights(model.encoder, fresh.encoder)
        return fresh

    def describe(self, directory):
        """Reads the config of a directory, and whether it has the head: a `ModelDescription`."""
        from tfdistill.models.hugging_face.checkpoint import describe_model

        return describe_model(directory, head=self._read_head)

    @property
    def _read_head(self):
        """`read_head`, if the head's tensors are its own; else None."""
        return None if self.outputs_are_tokens else self.read_head

    def read_head(self, config, values):
        """The head that a config.json describes; by default the task's own.

        Args:
            config: `EncoderConfig` of the encoder.
            values: dict, the content of config.json.

        Returns:
            A fresh head, whose tensors are read; None where the file describes another.
        """
        return self.head(config)

    def initialize_student(self, teacher, config, **options):
        """Cuts a student from a teacher; its head is fresh if the teacher's has other shapes.

        Args:
            teacher: a `Model`.
            config: `EncoderConfig` of the student.
            **options: of `starts.from_teacher.initialize_student`.

        Returns:
            A `Model`.
        """
        from tfdistill.models.model import Model
        from tfdistill.starts.copied_ends import copy_weights
        from tfdistill.starts.from_teacher import initialize_student

        without_head = Model(teacher.encoder, seed=None)
        cut = initialize_student(without_head, config, with_head=False, **options)
        student = self.model(config, options["seed"])
        copy_weights(cut.encoder, student.encoder)
        if _shapes(teacher.head) == _shapes(student.head):
            copy_weights(teacher.head, student.head)
        return student

    def start_from_text(self, model, ids, source, tokenizer, seed):
        """Sets a fresh model to a start that is read from the text; by default it stays random.

        Args:
            model: a fresh `Model`.
            ids: int (tokens,), the text of the training split.
            source: the source of the training split.
            tokenizer: the `Tokenizer`.
            seed: int.
        """

    def taught_by(self, teacher, length):
        """The task whose fresh heads fit a teacher's; by default itself.

        Args:
            teacher: Hugging Face directory or hub name.
            length: most tokens of a row in training.
        """
        return self

    def of_model(self, rules):
        """The task as a model does it that is there already; by default itself.

        Args:
            rules: the `answer_rules` of its head.
        """
        return self

    def mark(self, head):
        """Writes into a head what its model says of itself beside classes; by default nothing.

        Args:
            head: a head of this task.
        """

    def without_teacher(self):
        """The recipe that trains with the labels alone: a `Recipe` of one phase."""
        from tfdistill.distillation.phases import Phase, Recipe, Term

        phase = Phase("labels", (Term(self.hard_loss, 1.0),))
        return Recipe("labels", (phase,), source="the labels alone")

    def set_prior(self, model, source):
        """Sets what a fresh head can know before training, such as frequencies of the labels.

        Args:
            model: a fresh `Model`.
            source: the source of the training split.
        """


def _shapes(head):
    return [tuple(variable.shape) for variable in head.weights] if head is not None else None
