"""The head of texts that reads an LSTM's final states, and compares those of a pair."""

from keras import ops

from tfdistill.models.activations import ACTIVATIONS
from tfdistill.models.bilstm import borders
from tfdistill.models.heads.classification import POOLER, ClassificationHead
from tfdistill.system.errors import UserError


class FinalStatesHead(ClassificationHead):
    """Scores of classes, or one number, from the final states of both directions.

    They go through a dense layer with an activation to the classifier (Tang et al., 2019, section
    3.1). Of a pair, a and b are the states of the texts, and the layer reads [a; b; |a - b|; a * b]
    (figure 2 of the paper).

    Args:
        config: BiLstmConfig.
        labels, pooling, dropout, pooler_dropout: as of `ClassificationHead`; no other pooling than
            "pooler".
    """

    def __init__(self, config, labels, pooling="", dropout=None, pooler_dropout=None):
        if pooling not in ("", POOLER):
            raise UserError(
                f"`pooling`={pooling}: a {config.model_type} reads its final states: leave it out"
            )
        super().__init__(config, labels, pooling, dropout, pooler_dropout)

    @property
    def input_size(self):
        return self.config.intermediate_size

    @property
    def pooler_sizes(self):
        compared = 4 if self.config.compares_pairs else 1
        return compared * self.config.hidden_size, self.config.intermediate_size

    def select(self, inputs):
        return None

    def pool(self, hidden, inputs, dropout=None):
        forward, backward = ops.split(hidden, 2, axis=-1)  # (batch, length, units)
        states = ops.concatenate([forward[:, -1:], backward[:, :1]], axis=-1)  # (batch, 1, hidden)
        if self.config.compares_pairs:
            states = self._compared(forward, backward, inputs)
        # Rank 3: Metal computes a ReLU after MatMul and BiasAdd of rank 2 wrongly.
        return ACTIVATIONS[self.rules.pooler_activation](self.pooler(states))[:, 0]

    @staticmethod
    def _compared(forward, backward, inputs):
        """[a; b; |a - b|; a * b] of the texts of a pair: (batch, 1, 4 * hidden).

        A text without a second one is compared with zeros.
        """
        types = inputs.get("token_type_ids")
        types = ops.zeros_like(inputs["input_ids"]) if types is None else types
        begins, ends = (
            ops.cast(each, forward.dtype)[..., None]
            for each in borders(types, inputs.get("attention_mask"))
        )  # (batch, length, 1)
        is_pair = ops.max(begins, axis=1, keepdims=True)  # (batch, 1, 1)
        last = forward[:, -1:]
        first_forward = ops.sum(forward * ends, axis=1, keepdims=True) + last * (1 - is_pair)
        second_backward = ops.sum(backward * begins, axis=1, keepdims=True)
        a = ops.concatenate([first_forward, backward[:, :1]], axis=-1)
        b = ops.concatenate([last * is_pair, second_backward], axis=-1)
        return ops.concatenate([a, b, ops.abs(a - b), a * b], axis=-1)
