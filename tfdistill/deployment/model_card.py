"""The model card that ships beside the exported files: what they are and how to run them."""

from pathlib import Path

from tfdistill.deployment.tflite import LiteModel
from tfdistill.system.files import write_atomically

MEANINGS = {
    "input_ids": "token ids, [CLS] … [SEP], padded with [PAD]",
    "attention_mask": "1 for tokens, 0 for padding",
    "token_type_ids": "all 0",
    "masked_positions": "index of the token to predict",
}

# Rows of the table, by their keys in metrics.json.
MODELS = {
    "unigram": "token frequencies",
    "teacher": "teacher",
    "student": "student",
    "baseline_start": "the same start without a teacher",
    "baseline_text": "a start from text without a teacher",
    "baseline": "a random start without a teacher",
}

PAGE = """# {title}

A masked language model for the phone: given a text with one hidden word, it predicts the word.
{provenance} {shape}

## Files

{files}

Every `.tflite` file uses built-in TFLite operators only and was run in LiteRT (`ai-edge-litert`)
against the Keras model before it was written here. `tokenizer.json` turns text into token ids;
`saved_model/` is for TensorFlow Serving.

## Inputs and outputs

Signature `serving_default`; give inputs by name, their order in the file is not fixed.

| | name | type | shape | meaning |
|---|---|---|---|---|
{inputs}
| output | `logits` | float32 | (1, 1, {vocab_size}) | one score per token of the vocabulary |

## Run it

`pip install ai-edge-litert tokenizers numpy`, then, in this folder:

```python
{example}```

## Quality

{quality}

## Licence and provenance

*To be filled in by whoever publishes the model: the licence of the weights, and the licences of the
text and of the teacher that they come from.*
"""

EXAMPLE = """\
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_padding(length={length})
tokenizer.enable_truncation({length}, stride={stride})  # a longer text comes in parts
text = tokenizer.encode("The whale [MASK] the ship.")
text = next(part for part in [text, *text.overflowing] if "[MASK]" in part.tokens)
run = Interpreter("{file}").get_signature_runner("serving_default")
inputs = dict(input_ids=text.ids, attention_mask=text.attention_mask{token_types})
inputs["masked_positions"] = [text.tokens.index("[MASK]")]
logits = run(**{{name: np.array([x], np.int32) for name, x in inputs.items()}})["logits"][0, 0]
print([word for i in np.argsort(-logits) if (word := tokenizer.id_to_token(i))][:5])
"""


def write_model_card(path, config, export, metrics=None):
    """Writes the model card.

    Args:
        path: the file to write, in the folder of the exported files.
        config: the model's `EncoderConfig`.
        export: what `export_bundle` returned: dict of the TFLite files' names to measurements.
            The example runs the last one.
        metrics: the content of a run's metrics.json, or None for a model without a run.

    Raises:
        UserError: a TFLite file cannot be read.
        OSError: the write failed.
    """
    *_, shipped = export
    lite = LiteModel(Path(path).parent / shipped)
    card = PAGE.format(
        title=f"{config.model_type} student, {config.num_hidden_layers} layers of width "
        f"{config.hidden_size}",
        provenance=_provenance(metrics),
        shape=_shape(config, lite.length),
        files=_files(export),
        inputs=_inputs(lite),
        vocab_size=lite.vocab_size,
        example=EXAMPLE.format(
            length=lite.length,
            stride=lite.length // 4,  # tokens that neighbouring parts share
            file=shipped,
            token_types=", token_type_ids=text.type_ids" * ("token_type_ids" in lite.input_names),
        ),
        quality=_quality(metrics),
    )
    write_atomically(path, card)


def _provenance(metrics):
    if metrics is None:
        return "Exported with tfdistill."
    made_from = metrics.get("made_from", {})
    learned = made_from.get("reads_teacher", made_from.get("recipe") != "mlm")
    distilled = "teacher" in metrics["models"] and learned
    how = "Distilled from a larger teacher" if distilled else "Trained"
    return f"{how} with tfdistill on the corpus `{metrics['corpus']}`."


def _shape(config, length):
    return (
        f"Encoder: {config.model_type}, {config.num_hidden_layers} layers, width "
        f"{config.hidden_size}, {config.num_attention_heads} heads, intermediate width "
        f"{config.intermediate_size}, {config.vocab_size:,} tokens. Texts of at most {length - 2} "
        "tokens beside [CLS] and [SEP]."
    )


def _files(export):
    lines = [
        "| file | weights | MB | latency (ms) | loss | top-1 | same likeliest word as the Keras "
        "model |"
    ]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for name, facts in export.items():
        weights = "int8, a scale per row" if "int8" in name else "float32"
        lines.append(
            f"| `{name}` | {weights} | {facts['bytes'] / 1e6:.2f} | {facts['latency_ms']:.2f} "
            f"| {facts['loss_lite']:.3f} | {facts['top1_lite']:.1%} "
            f"| {facts['agreement']:.1%} of {facts['positions']:,} |"
        )
    lines += ["", "Latency: one text with one [MASK], median, LiteRT, 1 thread."]
    lines.append("Loss (nats per hidden token) and top-1: of the file itself, at the hidden tokens")
    lines.append("of held-out text that the last column counts.")
    return "\n".join(lines)


def _inputs(lite):
    rows = []
    for name, meaning in MEANINGS.items():
        if name in lite.input_names:
            shape = "(1, 1)" if name == "masked_positions" else f"(1, {lite.length})"
            rows.append(f"| input | `{name}` | int32 | {shape} | {meaning} |")
    return "\n".join(rows)


def _quality(metrics):
    if metrics is None:
        return "Not measured."
    where = f"the {metrics['split']} split of `{metrics['corpus']}`"
    lines = [f"Float32 models on the whole of {where}, words hidden at random. The student is what"]
    lines += ["`student.tflite` holds; each file's own numbers are in the table of files.", ""]
    lines.append("| model | loss (nats per hidden token) | top-1 | top-5 | agrees with teacher |")
    lines.append("|---|---:|---:|---:|---:|")
    for key, name in MODELS.items():
        model = metrics["models"].get(key, {})
        if "loss" in model:  # a teacher without masked-LM head has none
            agreement = f"{model['agreement']:.1%}" if "agreement" in model else "–"
            error = model.get("standard_errors", {}).get("top1")
            top1 = f"{model['top1']:.1%}" + ("" if error is None else f" ± {error:.1%}")
            lines.append(
                f"| {name} | {model['loss']:.3f} | {top1} | {model['top5']:.1%} | {agreement} |"
            )
    if any("standard_errors" in model for model in metrics["models"].values()):
        lines += ["", "±: standard error, by bootstrap over the rows of the split."]
    if metrics.get("teacher_answers"):
        lines += ["", f"Gain from the teacher's outputs: {metrics['teacher_answers']['text']}."]
    return "\n".join(lines)
