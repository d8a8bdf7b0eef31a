"""The encoder of every model type, which can return its intermediate tensors."""

import functools

import keras
from keras import ops

from tfdistill.models.configs.model_types import get_model_type
from tfdistill.models.layerdrop import run_or_skip
from tfdistill.models.remat import recomputed
from tfdistill.system.errors import UserError

LAYER_TAPS = ("attention_scores", "attention_probs", "queries", "keys", "values")
LAST = "last_hidden_state"
TAPS = frozenset(("embeddings", "hidden_states", LAST, *LAYER_TAPS))
SELECTED = "selected_states"


class Encoder(keras.layers.Layer):
    """A stack of Transformer layers over embeddings (Devlin et al., 2019; Sanh et al., 2019;
    Sun et al., 2020).

    All variables exist once it is constructed.

    Args:
        config: EncoderConfig.
        parts: (class of the embeddings, class of a layer), as of `Parts`; None: the model type's.

    Attributes:
        embeddings: `Embeddings`, or the model type's own class.
        blocks: list of the layers, from the input to the output.
    """

    def __init__(self, config, parts=None):
        super().__init__(name="encoder")
        self.config = config
        embeddings, block = parts or get_model_type(config.model_type).parts()[:2]
        self.embeddings = embeddings(config)
        self.blocks = [
            block(config, index, name=f"layer_{index}") for index in range(config.num_hidden_layers)
        ]
        self.build()

    def build(self, input_shape=None):
        # Built inside this layer's build, the parts have its name in their paths.
        self.embeddings.build()
        for block in self.blocks:
            block.build((None, None, self.config.hidden_size))

    def call(
        self,
        inputs,
        taps=(),
        dropout=None,
        keep_layers=None,
        layers=None,
        remat=False,
        select=None,
    ):
        """Encodes a batch.

        Args:
            inputs: dict of int32 (batch, length) tensors: input_ids; optional attention_mask
                (1 for real tokens; all ones when left out); optional token_type_ids (zeros when
                left out; ignored by DistilBERT). Other keys are ignored. The length is static.
            taps: names of `TAPS` to return. Without `select` the last hidden state is always there.
            dropout: DropoutKey, or None for inference.
            keep_layers: `LayerDraws`, the layers that run, or None for all.
            layers: static indices of the layers to run, in this order, or None for all.
            remat: whether to store only each layer's input for the gradient and to compute the
                layer again in the backward pass (Chen et al., 2016). Ignored with `keep_layers`,
                which has an option of its own.
            select: function of (batch, length, size) to (batch, rows, size), the rows that are
                read. Unless a tap needs more of it, the last layer computes only these rows, from
                the keys and values of all.

        Returns:
            dict: "selected_states" (batch, rows, hidden), the last hidden states of the rows of
            `select`, if it is given; "last_hidden_state" (batch, length, hidden), unless only rows
            were computed; and the tapped tensors:
            "embeddings" (batch, length, hidden); "hidden_states", a tuple of the embeddings and
            each layer's output; "attention_scores" (scaled by 1/sqrt(head size), before the mask)
            and "attention_probs" (before dropout), tuples of (batch, heads, length, length);
            "queries", "keys", "values", tuples of (batch, heads, length, head size).

        Raises:
            ValueError: an unknown tap, or a tap of layers together with `keep_layers`.
            UserError: a row has more tokens than the model has positions.
        """
        taps = _check_taps(taps, keep_layers)
        hidden = self._embed(inputs, dropout)
        attention_mask = inputs.get("attention_mask")
        if attention_mask is not None:  # bool: Keras casts floats to the compute type
            attention_mask = ops.cast(attention_mask, "bool")
        hidden_states, tapped_by_layer, tapped = [hidden], [], {}
        chosen = range(len(self.blocks)) if layers is None else layers
        # Only the embeddings do without the whole last layer.
        restricted = select is not None and len(chosen) > 0 and taps <= {"embeddings"}
        for place, index in enumerate(chosen, 1):
            options = {
                "select": select if restricted and place == len(chosen) else None,
                "attention_mask": attention_mask,
                "dropout": dropout,
                "taps": taps.intersection(LAYER_TAPS),
                **self.embeddings.layer_options(inputs),
            }
            hidden, tapped = self._run_layer(index, hidden, tapped, options, keep_layers, remat)
            tapped_by_layer.append(tapped)
            hidden_states.append(hidden)
        outputs = {} if restricted else {LAST: hidden}
        if select is not None:
            outputs[SELECTED] = hidden if restricted else select(hidden)
        if "embeddings" in taps:
            outputs["embeddings"] = hidden_states[0]
        if "hidden_states" in taps:
            outputs["hidden_states"] = tuple(hidden_states)
        for name in taps.intersection(LAYER_TAPS):
            outputs[name] = tuple(tapped[name] for tapped in tapped_by_layer)
        return outputs

    def _embed(self, inputs, dropout):
        input_ids = ops.cast(inputs["input_ids"], "int32")  # (batch, length)
        self._check_length(input_ids.shape[1])
        types = inputs.get("token_type_ids")
        return self.embeddings(input_ids, token_type_ids=types, dropout=dropout)

    def _run_layer(self, index, hidden, before, options, keep_layers, remat):
        block = functools.partial(self.blocks[index], **options)
        if keep_layers is not None:
            return run_or_skip(keep_layers, index, block, hidden, before, options["select"])
        return recomputed(block, hidden) if remat else block(hidden)

    def _check_length(self, length):
        if length is None:
            raise ValueError("the length of input_ids must be static")
        if length > self.config.max_length:
            raise UserError(
                f"`length`={length} is over the model's {self.config.max_length} "
                "positions: use a smaller one"
            )


def _check_taps(taps, keep_layers):
    taps = frozenset([taps] if isinstance(taps, str) else taps)
    unknown = sorted(taps - TAPS)
    if unknown:
        raise ValueError(f"unknown taps {unknown}: use names of {sorted(TAPS)}")
    missing = sorted(taps.intersection(LAYER_TAPS))
    if keep_layers is not None and not keep_layers.first_runs and missing:
        raise ValueError(f"taps {missing} cannot be returned with keep_layers, which skips layers")
    return taps
