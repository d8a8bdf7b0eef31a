"""The masked-LM loss: cross-entropy with the true tokens."""

import tensorflow as tf

from tfdistill.distillation.losses.loss import MASKED, Loss, register
from tfdistill.distillation.losses.means import mean_over, total
from tfdistill.distillation.losses.vocabulary import cross_entropy
from tfdistill.distillation.signals import MASKED_ROWS


def masked_cross_entropy(*, logits, labels, weights, normalizer=None):
    """Cross-entropy of the masked tokens (Devlin et al., 2019, section 3.1).

    Args:
        logits: float (..., vocab).
        labels: int32 (...), the true tokens.
        weights: float (...), 1 for a predicted position.
        normalizer: see `mean_over`.

    Returns:
        A float32 scalar: mean of -log softmax(logits)[label].
    """
    values = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=tf.cast(logits, tf.float32)
    )
    return mean_over(values, weights, normalizer)


@register
class MaskedLanguageModelling(Loss):
    """`masked_cross_entropy`, a chunk of tokens at a time."""

    name = "mlm"
    description = "cross-entropy of the masked tokens"
    needs_teacher = False
    needs_head = True

    def signals(self):
        return (MASKED_ROWS,)

    def count(self, batch):
        return total(batch[MASKED])

    def compute(self, comparison):
        rows = comparison.student[MASKED_ROWS]  # (batch, masked, hidden)
        return cross_entropy(
            student=(tf.reshape(rows, (-1, rows.shape[-1])), *comparison.student["decoder"]),
            labels=tf.reshape(comparison.batch["masked_labels"], (-1,)),
            weights=tf.reshape(comparison.batch["masked_weights"], (-1,)),
            normalizer=comparison.normalizer,
        )
