"""How the answers of a model for question answering are read from its logits.

The rules belong to the model: they are a key of its config.json and of the metadata of its TFLite
files. TensorFlow is not needed.
"""

import dataclasses

from tfdistill.system.errors import UserError

ANSWERS_KEY = "tfdistill_answers"  # of config.json
DOC_STRIDE, MAX_ANSWER_LENGTH = 32, 30  # tokens


@dataclasses.dataclass(frozen=True)
class AnswerRules:
    """The rules of one model.

    The defaults hold for models that say nothing, such as those of other programs. As in the
    pipeline of transformers, such a model answers every question.

    Attributes:
        may_abstain: whether a question has no answer if the score of "no answer" is at least that
            of the best span.
        doc_stride: tokens that two windows of a context share; 0: see `stride`.
        max_answer_length: most tokens of an answer.
    """

    may_abstain: bool = False
    doc_stride: int = 0
    max_answer_length: int = MAX_ANSWER_LENGTH

    @classmethod
    def of(cls, values):
        """The rules in a JSON object.

        Args:
            values: dict of some of the attributes; None or empty for a model that says nothing.

        Returns:
            `AnswerRules`.

        Raises:
            UserError: it is no object of such values.
        """
        try:
            found = cls(**(values or {}))
        except TypeError:
            found = None
        if found is None or not found._is_sound():
            raise UserError(
                f"{ANSWERS_KEY} of config.json, or `answers` of a .tflite file, must have the keys "
                f"and types of {dataclasses.asdict(cls())}: correct it, or delete it"
            )
        return found

    def _is_sound(self):
        numbers = self.doc_stride, self.max_answer_length
        return (
            isinstance(self.may_abstain, bool)
            and all(type(number) is int for number in numbers)
            and self.doc_stride >= 0
            and self.max_answer_length > 0
        )

    def stride(self, length):
        """Tokens that windows of `length` tokens share; by default 32, of short ones a quarter."""
        return self.doc_stride or min(DOC_STRIDE, length // 4)

    def values(self):
        """The rules as a JSON object: a dict."""
        return dataclasses.asdict(self)

    def changed(self, *, doc_stride=0, max_answer_length=0):
        """The rules with other numbers; 0 keeps a number: `AnswerRules`."""
        given = {"doc_stride": doc_stride, "max_answer_length": max_answer_length}
        return dataclasses.replace(self, **{name: n for name, n in given.items() if n})
