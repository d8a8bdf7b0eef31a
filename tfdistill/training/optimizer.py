"""AdamW: linear warm-up and decay, one clip over all gradients, no decay on biases and norms."""

import keras
import tensorflow as tf


class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Climbs linearly to the peak, then falls linearly to 0 (Devlin et al., 2019, appendix A.2).

    Args:
        peak: the highest learning rate.
        warmup_steps: steps of the climb; the first step already learns.
        steps: all steps.
    """

    def __init__(self, peak, warmup_steps, steps):
        self.peak, self.warmup_steps, self.steps = peak, warmup_steps, steps

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        climb = (step + 1.0) / max(self.warmup_steps, 1)
        fall = (self.steps - step) / max(self.steps - self.warmup_steps, 1)
        return self.peak * tf.clip_by_value(tf.minimum(climb, fall), 0.0, 1.0)

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "steps": self.steps}


class AdamW(keras.optimizers.AdamW):
    """Keras's AdamW (Loshchilov & Hutter, 2019, algorithm 2) on dense gradients.

    Keras squares the gradients of repeated ids one by one and clips them one by one; summed
    first, as here, both are right.
    """

    def apply(self, grads, trainable_variables=None):
        super().apply([tf.convert_to_tensor(grad) for grad in grads], trainable_variables)


def build_optimizer(
    variables, *, learning_rate, steps, warmup_prop, betas, epsilon, weight_decay, max_grad_norm
):
    """Makes the optimizer of one phase, its slots included.

    Args:
        variables: the Keras variables it will train.
        learning_rate: the peak.
        steps: all steps of the phase.
        warmup_prop: share of the steps in which the learning rate climbs.
        betas: (beta 1, beta 2).
        epsilon: added to the root of the second moment.
        weight_decay: decoupled decay; 0 for none.
        max_grad_norm: the norm over all gradients is cut to this.

    Returns:
        A built `AdamW`.
    """
    optimizer = AdamW(
        learning_rate=WarmupLinearDecay(learning_rate, round(warmup_prop * steps), steps),
        weight_decay=weight_decay,
        beta_1=betas[0],
        beta_2=betas[1],
        epsilon=epsilon,
        global_clipnorm=max_grad_norm,
    )
    optimizer.exclude_from_weight_decay(
        var_list=[variable for variable in variables if len(variable.shape) < 2]
    )
    optimizer.build(variables)
    return optimizer
