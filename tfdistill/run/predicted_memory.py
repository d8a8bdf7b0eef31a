"""The peak memory of a run on a CPU, estimated from the shapes of its models before it begins.

The constants were measured (docs/RELIABILITY.md has the comparison). All sums are of bytes that
are alive at the same time; `MARGIN` is for what they leave out, so that the estimate is rather too
high.
"""

import dataclasses

FLOAT = 4  # bytes
# A process with TensorFlow and the tokenizers, before any model; with examples in memory, too.
OF_PROCESS, OF_LABELLED_DATA = 0.80e9, 0.25e9
# XLA's compiler for the first step, for the same step with rows of another length, and for the
# steps and evaluations of a further model. Freed memory is used again, but not all of it.
FIRST_COMPILED, OTHER_LENGTH, OTHER_MODEL = 0.45e9, 0.35e9, 0.10e9
NOT_COMPILED = 0.05e9  # the graph of a step without XLA
EXPORT, EXPORT_COPIES = 0.30e9, 6  # the converter; copies of a model's weights that it makes
LOGIT_COPIES, LARGEST_CHUNK = 6, 320 * 30_522  # arrays of a chunk of logits (`losses.vocabulary`)
SIXTEEN_BITS = 0.75  # of the activations, where products and what lies between them have 16 bits
MARGIN = 1.15


@dataclasses.dataclass(frozen=True)
class ModelSize:
    """What a model costs.

    Args:
        parameters: their number.
        layers: number of layers.
        floats_of_layer: numbers that one layer keeps for its gradient, for each token.
        floats_between: numbers between two layers, for each token.
    """

    parameters: int
    layers: int
    floats_of_layer: int
    floats_between: int

    @classmethod
    def of(cls, config, parameters, length):
        """The size of a model.

        Args:
            config: its `EncoderConfig`.
            parameters: their number.
            length: tokens in a row.
        """
        hidden, inner, heads = (
            config.hidden_size,
            config.intermediate_size,
            config.num_attention_heads,
        )
        scores = 3 * heads * length  # before and after the softmax, and after dropout
        if config.model_type == "deberta-v2":  # and two of relative positions, each gathered
            scores += 4 * heads * length
        width = getattr(config, "intra_bottleneck_size", hidden)
        feedforward = getattr(config, "num_feedforward_networks", 1)
        of_layer = 12 * width + feedforward * 3 * inner + scores
        if width != hidden:
            of_layer += 8 * hidden + 2 * feedforward * width
        return cls(parameters, config.num_hidden_layers, of_layer, 4 * hidden)

    @property
    def weights(self):
        """Bytes of the weights."""
        return FLOAT * self.parameters

    def training_bytes(self, compiled):
        """Bytes of weights, two moments, gradients, and the checkpoint that is written."""
        gradients = 1 if compiled else 2  # XLA clips them in place
        return (1 + 2 + gradients + 3) * self.weights

    def activations(self, tokens, remat=False, trained=True):
        """Bytes of what a forward pass keeps.

        Args:
            tokens: in a micro-batch.
            remat: layers keep only their inputs.
            trained: False for a pass without gradients, which keeps one layer.
        """
        kept = 1 if remat or not trained else self.layers
        between = self.floats_between * (self.layers + 1 if remat else 1)
        return FLOAT * tokens * (kept * self.floats_of_layer + between)


@dataclasses.dataclass(frozen=True)
class StepSize:
    """What the steps of a training read.

    Args:
        tokens: in a micro-batch, with padding.
        lengths: number of lengths of rows.
        vocabulary: rows of the table that a head projects to; 0 for small heads.
        compiled: whether XLA compiles it.
        sixteen_bits: whether products have 16 bits.
        remat: as the setting.
        signals: numbers of a teacher that the losses keep, for each token.
    """

    tokens: int
    lengths: int
    vocabulary: int
    compiled: bool
    sixteen_bits: bool
    remat: bool
    signals: int = 0

    def bytes_with(self, trained, teachers=()):
        """Bytes of a step, with the state of the model in training.

        Args:
            trained: its `ModelSize`.
            teachers: `ModelSize`s of the models that run beside it.
        """
        activations = trained.activations(self.tokens, self.remat)
        if teachers:
            passes = (each.activations(self.tokens, trained=False) for each in teachers)
            activations += max(passes) + FLOAT * self.tokens * self.signals * len(teachers)
        if self.sixteen_bits:
            activations *= SIXTEEN_BITS
        logits = LOGIT_COPIES * FLOAT * min(LARGEST_CHUNK, self.tokens * self.vocabulary)
        weights = sum(each.weights for each in teachers)
        return trained.training_bytes(self.compiled) + activations + logits + weights

    @property
    def compiler(self):
        """Bytes that the compiler of the first step leaves."""
        if not self.compiled:
            return NOT_COMPILED * self.lengths
        return FIRST_COMPILED + OTHER_LENGTH * (self.lengths - 1)


def predicted_peak(*, labelled, trainings, step, models, exports, students):
    """The peak memory of a run, in bytes.

    Args:
        labelled: whether examples with labels are held in memory.
        trainings: list of (`ModelSize` in training, `ModelSize`s of its teachers), one after the
            other.
        step: the `StepSize` of all of them.
        models: `ModelSize`s of the models that stay in memory beside the trainings.
        exports: `ModelSize`s of the models that are exported; empty for a run without.
        students: number of students, with those without a teacher.
    """
    base = OF_PROCESS + labelled * OF_LABELLED_DATA
    held = sum(model.weights for model in models)
    peak = base + held
    if trainings:
        dynamic = max(step.bytes_with(*training) for training in trainings)
        further = OTHER_MODEL * (students - 1 + (len(trainings) > students))
        peak += dynamic + step.compiler + (further if step.compiled else further / 2)
    if exports:
        copies = EXPORT_COPIES * max(model.weights for model in exports)
        peak = max(peak + EXPORT, base + held + EXPORT + copies)
    return round(MARGIN * peak)
