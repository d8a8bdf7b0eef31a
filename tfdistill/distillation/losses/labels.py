"""The masked-LM loss: cross-entropy with the true tokens."""

import tensorflow as tf

from tfdistill.distillation.losses.loss import MASKED, Loss, register
from tfdistill.distillation.losses.means import total
from tfdistill.distillation.losses.vocabulary import cross_entropy
from tfdistill.distillation.signals import MASKED_ROWS


@register
class MaskedLanguageModelling(Loss):
    """`whole_logits.cross_entropy`, a chunk of tokens at a time."""

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
