"""The masked-LM step of KerasHub: `BertMaskedLM.fit`, compiled as Keras does by itself.

Its first loss is that of the others, up to GELU, which its encoder approximates. Later ones differ
by a thousandth, because Keras adds Adam's epsilon before it corrects the bias of the moments.

Usage: python keras_hub_step.py WORK FOLDER    (made by make_inputs.py); prints one JSON object
"""

import json
import sys
import time
from pathlib import Path

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file
from settings import ADAMW, CLIP, VOCABULARY, WORKS


class Watch(keras.callbacks.Callback):
    """Notes loss and times of every step."""

    def __init__(self):
        super().__init__()
        self.losses, self.times, self.processor = [], [], []

    def on_train_begin(self, logs=None):
        self.note_times()

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(float(logs["loss"]))  # waits for the step
        self.note_times()
        self.model.reset_metrics()  # the loss is else a mean over the steps

    def note_times(self):
        self.times.append(time.perf_counter())
        self.processor.append(time.process_time())


def load_batches(folder):
    """A dataset of (inputs, labels, weights)."""
    arrays = np.load(folder / "batches.npz")
    inputs = {
        "token_ids": arrays["input_ids"],
        "segment_ids": np.zeros_like(arrays["input_ids"]),
        "padding_mask": arrays["attention_mask"],
        "mask_positions": arrays["masked_positions"],
    }
    parts = inputs, arrays["masked_labels"], arrays["masked_weights"]
    return tf.data.Dataset.from_tensor_slices(parts)


def matched_layers(model):
    """Pairs of a layer and the name of its tensors in a Hugging Face directory."""
    layer = model.backbone.get_layer
    yield layer("token_embedding"), "bert.embeddings.word_embeddings"
    yield layer("position_embedding"), "bert.embeddings.position_embeddings"
    yield layer("segment_embedding"), "bert.embeddings.token_type_embeddings"
    yield layer("embeddings_layer_norm"), "bert.embeddings.LayerNorm"
    for number in range(model.backbone.num_layers):
        block, prefix = layer(f"transformer_layer_{number}"), f"bert.encoder.layer.{number}"
        attention = block._self_attention_layer
        for name in ("query", "key", "value"):
            yield getattr(attention, f"{name}_dense"), f"{prefix}.attention.self.{name}"
        yield attention.output_dense, f"{prefix}.attention.output.dense"
        yield block._self_attention_layer_norm, f"{prefix}.attention.output.LayerNorm"
        yield block._feedforward_intermediate_dense, f"{prefix}.intermediate.dense"
        yield block._feedforward_output_dense, f"{prefix}.output.dense"
        yield block._feedforward_layer_norm, f"{prefix}.output.LayerNorm"
    head = model.get_layer("mlm_head")
    yield head._intermediate_dense, "cls.predictions.transform.dense"
    yield head._intermediate_layer_norm, "cls.predictions.transform.LayerNorm"


def load_weights(model, folder):
    """Copies all weights; the bias of the vocabulary is zero in both, and the pooler is unused."""
    tensors = load_file(folder / "model.safetensors")
    for layer, name in matched_layers(model):
        for variable, part in zip(layer.weights, ("weight", "bias"), strict=False):
            found = tensors[f"{name}.{part}"]
            turned = found.T if variable.name == "kernel" else found
            variable.assign(turned.reshape(variable.shape))


def main(work, folder):
    work, folder = WORKS[work], Path(folder)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=work.layers,
        num_heads=work.heads,
        hidden_dim=work.hidden,
        intermediate_dim=4 * work.hidden,
        dropout=0.0,
    )
    model = keras_hub.models.BertMaskedLM(backbone, preprocessor=None)
    load_weights(model, folder / "student")
    batches = load_batches(folder)
    rate = keras.optimizers.schedules.PolynomialDecay(ADAMW["learning_rate"], len(batches), 0.0)
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.Adam(  # AdamW would multiply by a weight decay of 0
            rate,
            beta_1=ADAMW["betas"][0],
            beta_2=ADAMW["betas"][1],
            epsilon=ADAMW["epsilon"],
            global_clipnorm=CLIP,
        ),
        weighted_metrics=None,  # its accuracy, which nobody else computes
    )
    watch = Watch()
    model.fit(batches, callbacks=[watch], verbose=0)
    seconds, busy = np.diff(watch.times).tolist(), np.diff(watch.processor).tolist()
    print(json.dumps({"losses": watch.losses, "seconds": seconds, "processor": busy}))


if __name__ == "__main__":
    main(*sys.argv[1:])
