"""AdamW with linear warm-up and decay, one global clip, no weight decay on biases and norms."""

import dataclasses

import keras
import tensorflow as tf

from tfdistill.models.compiled import is_compiled_for_cpu
from tfdistill.training.table_rows import TableRows


@keras.saving.register_keras_serializable(package="tfdistill")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to the peak, then falls linearly to 0 (Devlin et al., 2019, appendix A.2).

    Args:
        peak: the highest learning rate.
        warmup_steps: steps of the rise; the first step already has a learning rate above 0.
        steps: steps of rise and fall together.
        first: the optimizer's count at the first step: not 0 if it continues an earlier phase.
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
    PyTorch; Keras adds it before the correction. Sparse gradients are made dense, because Keras
    squares and clips the parts of a repeated id separately. Under a `tf.distribute` strategy call
    `apply` in the replicas, with gradients that are already summed.

    For a table, `build` can be given the only rows that ever have a gradient. The moments of the
    others would stay zero, so they only decay, and gradients and moments leave them out. The steps
    are the same.

    Args:
        learning_rate: float or schedule.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root of the corrected second moment.
        weight_decay: decoupled weight decay, times the learning rate; None or 0 for none.
        global_clipnorm: the norm over all gradients is clipped to this; None: no clip.
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

    def build(self, variables, rows=None):
        """Makes the moments of all variables.

        Args:
            variables: list of Keras variables.
            rows: for each of them the rows that its gradients have, int32 (rows,), ascending, or
                None for all of them; None: all rows of all variables. Tables with rows need a
                single device.
        """
        if self.built:
            return
        super().build(variables)
        self._rates = [1.0] * len(variables)
        self._rows = [
            None if own is None else TableRows(variable, own)
            for variable, own in zip(variables, rows or [None] * len(variables), strict=True)
        ]
        stepped = [
            variable if own is None else own.copy
            for variable, own in zip(variables, self._rows, strict=True)
        ]
        names = ["momentum", "velocity"]
        self._momentums, self._velocities = self.add_optimizer_variables(stepped, names)

    def scale_rates(self, rates):
        """Sets a factor of the learning rate for each variable, in the variables' order."""
        self._rates = list(rates)

    def apply(self, grads, trainable_variables=None, finite=None, on_metal=False):
        """Takes one step.

        Args:
            grads: gradients, one per variable, of its rows; sparse ones are made dense.
            trainable_variables: the variables that the optimizer was built with, in that order;
                None stands for them.
            finite: bool scalar; if it is false, nothing changes, whatever the gradients are.
            on_metal: use only operators that Apple's Metal plugin has.
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
            learning_rate, beta_1, beta_2 = (
                tf.where(finite, value, neutral)
                for value, neutral in ((learning_rate, 0.0), (beta_1, 1.0), (beta_2, 1.0))
            )
        grads = clip(grads, self.global_clipnorm, finite, on_metal)
        # Once per step, not once per variable. Cast first: Metal has no int64 arithmetic.
        step = tf.cast(self.iterations.value, tf.float32) + 1.0
        beta_2_power = tf.pow(self.beta_2, step)
        shared = {
            "beta1_power": tf.pow(self.beta_1, step),
            "beta2_power": beta_2_power,
            "beta1": beta_1,
            "beta2": beta_2,
            # The operator adds its epsilon before the bias is corrected.
            "epsilon": self.epsilon * tf.sqrt(1.0 - beta_2_power),
        }
        for index, (grad, rate) in enumerate(zip(grads, self._rates, strict=True)):
            self._apply_to(index, grad, rate, learning_rate, shared)
        self.iterations.assign_add(1 if finite is None else tf.cast(finite, self.iterations.dtype))

    def _apply_to(self, index, grad, rate, learning_rate, shared):
        """Takes the step of one variable; `shared` are the operator's arguments for all."""
        variable, rows = self._trainable_variables[index], self._rows[index]
        if self.weight_decay and self._use_weight_decay(variable):
            decay = learning_rate * self.weight_decay
            variable.value.assign_sub(rate * decay * variable.value)
        if rows:
            rows.read()
        tf.raw_ops.ResourceApplyAdam(
            var=(rows.copy if rows else variable).value.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            lr=rate * learning_rate,
            grad=grad,
            **shared,
        )
        if rows:
            rows.write()

    def take_over(self, previous):
        """Copies the moments and the step count of another built `AdamW`.

        Moments of variables that it did not train start at zero.
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
        names = ("learning_rate", "weight_decay", "global_clipnorm", "name")
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return {name: inherited[name] for name in names} | own


def global_norm(gradients):
    """Euclidean norm over all gradients.

    `tf.linalg.global_norm` packs the norms of all gradients, for which Metal has no kernel.

    Args:
        gradients: list of dense float tensors.

    Returns:
        A float32 scalar.
    """
    halves = _half_square_by_product if is_compiled_for_cpu() else tf.nn.l2_loss
    return tf.sqrt(2.0 * tf.add_n([halves(gradient) for gradient in gradients]))


def _half_square_by_product(gradient):
    """`tf.nn.l2_loss`, to rounding; XLA's sum on a CPU takes one number after the other."""
    if gradient.shape.rank != 2:
        return tf.nn.l2_loss(gradient)
    columns = tf.matmul(tf.ones((1, gradient.shape[0])), tf.square(gradient))  # (1, width)
    return 0.5 * tf.reduce_sum(columns)


def clip(gradients, largest_norm, finite=None, on_metal=False):
    """Scales all gradients by one factor, so that their norm is at most `largest_norm`.

    Args:
        gradients: list of dense float tensors.
        largest_norm: float; None for any norm.
        finite: bool scalar; if it is false, all results are zero; None for true.
        on_metal: use only operators that Apple's Metal plugin has.

    Returns:
        list of tensors.
    """
    if largest_norm is None and finite is None:
        return gradients
    scale = tf.constant(1.0)
    if largest_norm is not None:
        scale = largest_norm / tf.maximum(global_norm(gradients), largest_norm)
    if finite is None:
        return [scale * gradient for gradient in gradients]
    if on_metal:
        zeroed = [tf.where(finite, gradient, tf.zeros_like(gradient)) for gradient in gradients]
        return [tf.where(finite, scale, 0.0) * gradient for gradient in zeroed]
    # The product with the factor, and 0 for a factor of 0, whatever the gradient is: a choice
    # between two tensors would cost two passes more over each gradient.
    scale = tf.where(finite, scale, 0.0)
    return [tf.math.multiply_no_nan(gradient, scale) for gradient in gradients]


@dataclasses.dataclass(frozen=True)
class OptimizerSettings:
    """Settings of the optimizer of one phase.

    Args:
        learning_rate: peak learning rate.
        steps: steps of the phase.
        warmup_prop: share of the steps in which the learning rate rises.
        betas: (beta 1, beta 2), decays of the two moments.
        epsilon: added to the root of the corrected second moment.
        weight_decay: decoupled weight decay; 0 for none.
        max_grad_norm: the norm over all gradients is clipped to this.
        constant: whether the learning rate is the peak in all steps.
    """

    learning_rate: float
    steps: int
    warmup_prop: float
    betas: tuple[float, float]
    epsilon: float
    weight_decay: float
    max_grad_norm: float
    constant: bool = False

    def schedule(self, first):
        """The learning rate, or its `WarmupLinearDecay`.

        Args:
            first: the optimizer's count at the first step.
        """
        if self.constant:
            return self.learning_rate
        warmup_steps = round(self.warmup_prop * self.steps)
        return WarmupLinearDecay(self.learning_rate, warmup_steps, self.steps, first)


def build_optimizer(variables, settings, rates=None, previous=None, rows=None):
    """Makes the optimizer of one phase, with its slot variables.

    Args:
        variables: the Keras variables to train.
        settings: `OptimizerSettings`.
        rates: factors of the learning rate, one for each variable; None: all 1.
        previous: the `AdamW` of the phase before, whose moments are continued; None: moments start
            at zero.
        rows: the rows that the gradient of each variable has (see `AdamW.build`).

    Returns:
        A built `AdamW`.
    """
    optimizer = AdamW(
        learning_rate=settings.schedule(int(previous.iterations.numpy()) if previous else 0),
        weight_decay=settings.weight_decay,
        beta_1=settings.betas[0],
        beta_2=settings.betas[1],
        epsilon=settings.epsilon,
        global_clipnorm=settings.max_grad_norm,
    )
    optimizer.exclude_from_weight_decay(
        var_list=[variable for variable in variables if len(variable.shape) < 2]
    )
    optimizer.build(variables, rows)
    if rates:
        optimizer.scale_rates(rates)
    if previous:
        optimizer.take_over(previous)
    return optimizer
