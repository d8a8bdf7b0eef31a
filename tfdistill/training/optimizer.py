"""AdamW: linear warm-up and decay, one clip over all gradients, no decay on biases and norms."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfdistill")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Climbs linearly to the peak, then falls linearly to 0 (Devlin et al., 2019, appendix A.2).

    Args:
        peak: the highest learning rate.
        warmup_steps: steps of the climb; the first step already learns.
        steps: all steps.
        first: the optimizer's count at the first step, which is not 0 where it goes on from an
            earlier phase.
    """

    def __init__(self, peak, warmup_steps, steps, first=0):
        self.peak, self.warmup_steps, self.steps, self.first = peak, warmup_steps, steps, first

    def __call__(self, step):
        step = tf.cast(step, tf.float32) - self.first
        climb = (step + 1.0) / max(self.warmup_steps, 1)
        fall = (self.steps - step) / max(self.steps - self.warmup_steps, 1)
        return self.peak * tf.clip_by_value(tf.minimum(climb, fall), 0.0, 1.0)

    def get_config(self):
        names = ("peak", "warmup_steps", "steps", "first")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="tfdistill")
class AdamW(keras.optimizers.Optimizer):
    """AdamW (Loshchilov & Hutter, 2019, algorithm 2), one fused operator per variable.

    Epsilon is added to the root of the bias-corrected second moment, as in the paper and in
    PyTorch; Keras adds it before the correction. Gradients are dense: Keras squares and clips those
    of repeated ids one by one. Under a `tf.distribute` strategy `apply` belongs in the replicas,
    with gradients that are already summed.

    Args:
        learning_rate: float or schedule.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root of the corrected second moment.
        weight_decay: decoupled decay, times the learning rate; None or 0 for none.
        global_clipnorm: the norm over all gradients is cut to this; None for no cut.
        name: name of the optimizer.
    """

    def __init__(
        self,
        learning_rate=1e-3,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        weight_decay=None,
        global_clipnorm=None,
        name="adamw",
    ):
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            global_clipnorm=global_clipnorm,
            name=name,
        )
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables):
        """Makes the moments of all variables."""
        if self.built:
            return
        super().build(variables)
        self._rates = [1.0] * len(variables)
        names = ["momentum", "velocity"]
        self._momentums, self._velocities = self.add_optimizer_variables(variables, names)

    def scale_rates(self, rates):
        """Gives each variable its own part of the learning rate, in their order."""
        self._rates = list(rates)

    def apply(self, grads, trainable_variables=None, finite=None):
        """Takes one step.

        Args:
            grads: gradients, one per variable; sparse ones are made dense.
            trainable_variables: the variables the optimizer was built with, in that order; None
                for just these.
            finite: bool scalar; where it is false nothing changes, whatever the gradients are.
        """
        variables = list(trainable_variables or self._trainable_variables)
        self.build(variables)
        if [id(variable) for variable in variables] != [id(v) for v in self._trainable_variables]:
            raise ValueError("AdamW steps all variables it was built with, in their order")
        grads = [tf.convert_to_tensor(grad) for grad in grads]
        learning_rate = tf.cast(self.learning_rate, tf.float32)
        beta_1, beta_2 = self.beta_1, self.beta_2
        if finite is not None:
            # By values, not by a branch: in one, devices cannot agree on the counter of steps.
            grads = [tf.where(finite, grad, tf.zeros_like(grad)) for grad in grads]
            learning_rate, beta_1, beta_2 = (
                tf.where(finite, value, kept)
                for value, kept in ((learning_rate, 0.0), (beta_1, 1.0), (beta_2, 1.0))
            )
        grads = clip(grads, self.global_clipnorm)
        # Once per step, not once per variable. Cast first: Metal has no int64 arithmetic.
        step = tf.cast(self.iterations.value, tf.float32) + 1.0
        beta_1_power, beta_2_power = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        decay = learning_rate * (self.weight_decay or 0.0)
        # The operator adds its epsilon before the bias is corrected.
        epsilon = self.epsilon * tf.sqrt(1.0 - beta_2_power)
        for grad, variable, rate, momentum, velocity in zip(
            grads, variables, self._rates, self._momentums, self._velocities, strict=True
        ):
            if self.weight_decay and self._use_weight_decay(variable):
                variable.value.assign_sub(rate * decay * variable.value)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=momentum.value.handle,
                v=velocity.value.handle,
                beta1_power=beta_1_power,
                beta2_power=beta_2_power,
                lr=rate * learning_rate,
                beta1=beta_1,
                beta2=beta_2,
                epsilon=epsilon,
                grad=grad,
            )
        self.iterations.assign_add(1 if finite is None else tf.cast(finite, self.iterations.dtype))

    def take_over(self, previous):
        """Goes on from the moments and the count of steps of another built `AdamW`.

        Variables that it did not train begin with moments of zero.
        """
        self.iterations.assign(previous.iterations)
        known = {id(variable): i for i, variable in enumerate(previous._trainable_variables)}
        for variable, momentum, velocity in zip(
            self._trainable_variables, self._momentums, self._velocities, strict=True
        ):
            index = known.get(id(variable))
            if index is not None:
                momentum.assign(previous._momentums[index])
                velocity.assign(previous._velocities[index])

    def get_config(self):
        """The arguments of the constructor."""
        inherited = super().get_config()
        kept = ("learning_rate", "weight_decay", "global_clipnorm", "name")
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return {name: inherited[name] for name in kept} | own


def global_norm(gradients):
    """Euclidean norm over all gradients.

    `tf.linalg.global_norm` packs the norms of all gradients, for which Metal has no kernel.

    Args:
        gradients: list of dense float tensors.

    Returns:
        A float32 scalar.
    """
    return tf.sqrt(2.0 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))


def clip(gradients, largest_norm):
    """Scales all gradients alike so that their global norm is at most `largest_norm` (or None)."""
    if largest_norm is None:
        return gradients
    scale = largest_norm / tf.maximum(global_norm(gradients), largest_norm)
    return [scale * gradient for gradient in gradients]


def build_optimizer(
    variables,
    *,
    learning_rate,
    steps,
    warmup_prop,
    betas,
    epsilon,
    weight_decay,
    max_grad_norm,
    rates=None,
    previous=None,
):
    """Makes the optimizer of one phase, its slots included.

    Args:
        variables: the Keras variables it will train.
        learning_rate: the peak.
        steps: all steps of the phase.
        warmup_prop: share of the steps in which the learning rate climbs.
        betas: (beta 1, beta 2).
        epsilon: added to the root of the corrected second moment.
        weight_decay: decoupled decay; 0 for none.
        max_grad_norm: the norm over all gradients is cut to this.
        rates: parts of the learning rate, one for each variable; None: all of it.
        previous: the `AdamW` of the phase before, to go on from its moments; None: from zero.

    Returns:
        A built `AdamW`.
    """
    first = int(previous.iterations.numpy()) if previous else 0
    optimizer = AdamW(
        learning_rate=WarmupLinearDecay(learning_rate, round(warmup_prop * steps), steps, first),
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
    if rates:
        optimizer.scale_rates(rates)
    if previous:
        optimizer.take_over(previous)
    return optimizer
