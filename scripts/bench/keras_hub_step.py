"""The masked-LM step of KerasHub: `BertMaskedLM.fit`, compiled as Keras does by itself.

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
from settings import ADAMW, CLIP, VOCABULARY, WORKS


class Watch(keras.callbacks.Callback):
    """Notes the time of every step."""

    def __init__(self):
        super().__init__()
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])  # waits for the step
        self.times.append(time.perf_counter())


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


def main(work, folder):
    work = WORKS[work]
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=work.layers,
        num_heads=work.heads,
        hidden_dim=work.hidden,
        intermediate_dim=4 * work.hidden,
        dropout=0.0,
    )
    model = keras_hub.models.BertMaskedLM(backbone, preprocessor=None)
    batches = load_batches(Path(folder))
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
    watch, started = Watch(), time.perf_counter()
    model.fit(batches, callbacks=[watch], verbose=0)
    seconds = np.diff([started, *watch.times]).tolist()
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
