"""The model card that ships beside the exported files: what they are and how to run them."""

from pathlib import Path

from tfdistill.deployment.lite_model import LiteModel
from tfdistill.deployment.mediapipe import CLASSES, MEDIAPIPE_FILE
from tfdistill.deployment.signatures import PROBABILITIES, names_of
from tfdistill.deployment.variants import weights_of
from tfdistill.models.heads.answer_rules import AnswerRules
from tfdistill.system.files import write_atomically

MEANINGS = {
    "input_ids": "token ids, [CLS] … [SEP], padded with [PAD]",
    "attention_mask": "1 for tokens, 0 for padding",
    "token_type_ids": "0; of a pair of texts, 1 for the second with its [SEP]",
}

# Rows of the table, by their keys in metrics.json.
MODELS = {
    "teacher": "teacher",
    "student": "student",
    "baseline_start": "the same start without a teacher",
    "no_teacher": "the same start without a teacher",
    "baseline_text": "a start from text without a teacher",
    "baseline": "a random start without a teacher",
}

PAGE = """# {title}

{description}
{provenance} {shape}

## Files

{files}

Every `.tflite` file uses built-in TFLite operators only and was run in LiteRT (`ai-edge-litert`)
against the Keras model before it was written here. `tokenizer.json` turns text into token ids;
`saved_model/` is for TensorFlow: if it takes texts, it loads after `import tensorflow_text` only.

## Inputs and outputs

{signatures}; give inputs by name, their order in the file is not fixed.

| | name | type | shape | meaning |
|---|---|---|---|---|
{inputs}
{outputs}

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


def write_model_card(task, path, config, export, metrics=None):
    """Writes the model card.

    Args:
        task: the model's `Task`.
        path: the file to write, in the folder of the exported files.
        config: the model's `EncoderConfig`.
        export: facts of `export_bundle`: dict of the TFLite files' names to measurements. The
            example runs the last one.
        metrics: the content of a run's metrics.json, or None for a model without a run.

    Raises:
        UserError: a TFLite file cannot be read.
        OSError: the write failed.
    """
    *_, shipped = export
    lite, words = LiteModel(Path(path).parent / shipped), task.words
    rules = AnswerRules.of(lite.metadata.get("answers"))
    card = PAGE.format(
        description=words.card,
        title=f"{config.model_type} student, {_layers(config)} of width {config.hidden_size}",
        provenance=_provenance(metrics),
        shape=_shape(config, lite.length),
        files=_files(task, export) + _mediapipe(Path(path).parent / MEDIAPIPE_FILE, lite),
        signatures=_signatures(lite),
        inputs=_inputs(words, lite),
        outputs=_outputs(words, lite),
        example=words.code.format(
            length=lite.length,
            signatures=names_of(lite.lengths),
            pad=f", pad_id={config.pad_token_id}" * (config.pad_token_id != 0),
            stride=lite.length // 4,  # tokens that neighbouring parts share
            shared=rules.stride(lite.length),
            longest=rules.max_answer_length,
            may_abstain=rules.may_abstain,
            file=shipped,
            token_types=", token_type_ids=text.type_ids" * ("token_type_ids" in lite.input_names),
        ),
        quality=_quality(task, metrics),
    )
    write_atomically(path, card)


def _provenance(metrics):
    if metrics is None:
        return "Exported with tfdistill."
    made_from = metrics.get("made_from", {})
    learned = made_from.get("reads_teacher", made_from.get("recipe") != "mlm")
    distilled = "teacher" in metrics["models"] and learned
    how = "Distilled from a larger teacher" if distilled else "Trained"
    return f"{how} with tfdistill on `{metrics['corpus']}`.{_rates(metrics.get('run', {}))}"


def _rates(run):
    """The peak learning rates, where the facts of the run have them."""
    rates = run.get("learning_rates", {})
    known = [f"{name} {rates[name]:g}" for name in ("teacher", "student") if name in rates]
    return f" Peak learning rate: {', '.join(known)}." if known else ""


def _layers(config):
    count = config.num_hidden_layers
    return f"{count} layer" if count == 1 else f"{count or 'no'} layers"


def _shape(config, length):
    layers = config.LAYERS_IN_WORDS.format_map(vars(config))
    return (
        f"Encoder: {config.model_type}, {_layers(config)}, width {config.hidden_size}, "
        f"{layers and f'{layers}, '}{config.vocab_size:,} tokens. Texts of at most {length - 2} "
        "tokens beside [CLS] and [SEP]."
    )


def _files(task, export):
    metric, words = task.primary, task.words
    lines = [
        f"| file | weights | MB | latency (ms) | loss | {metric.name} | beside the Keras model: "
        f"{words.agreement} |"
    ]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    before = next(iter(export.values()))
    lines.append(f"| the Keras model | float32 | | | {_measures(task, before, 'keras')} | |")
    for name, facts in export.items():
        lines.append(
            f"| `{name}` | {weights_of(name)} | {facts['bytes'] / 1e6:.2f} "
            f"| {facts['latency_ms']:.2f} | {_measures(task, facts, 'lite')} "
            f"| {facts['agreement']:.1%} of {facts['positions']:,} |"
        )
    lines += ["", f"Latency: {words.one_input}, in the longest row, median, LiteRT, 1 thread."]
    unit = f" ({task.loss_unit})" * bool(task.loss_unit)
    lines.append(f"Loss{unit} and {metric.name} are those of the file itself, for the")
    lines.append(f"{words.predictions} that the last column counts. All of them are held out.")
    lines += [f"`{name}`: {facts['lost']}." for name, facts in export.items() if "lost" in facts]
    return "\n".join(lines)


def _measures(task, facts, of):
    """Two cells: loss and primary metric, of the "keras" model or of its "lite" file."""
    key = task.primary.key
    primary = task.primary.text({key: facts[f"{key}_{of}"]}) + task.primary.unit
    return f"{facts[f'loss_{of}']:.3f} | {primary}"


def _mediapipe(path, lite):
    """Lines on the file for MediaPipe, if there is one."""
    if not path.is_file():
        return ""
    task = CLASSES[lite.metadata["task"]]
    return (
        f"\n\n`{path.name}` ({path.stat().st_size / 1e6:.2f} MB) is made from one of them for\n"
        f"MediaPipe's {task}: it holds the vocabulary, and takes a text. MediaPipe lower-cases\n"
        "the letters A to Z alone and keeps accents: texts with others may have other tokens."
    )


def _signatures(lite):
    names = [f"`{name}`" for name in names_of(lite.lengths).values()]
    if len(names) == 1:
        return f"Signature {names[0]}"
    return (
        f"Signatures {', '.join(names)}, for texts of at most so many tokens: they share the "
        "weights and predict the same, and the shortest that holds a text is the fastest. Shapes "
        "are those of the longest"
    )


def _inputs(words, lite):
    rows = []
    for name, meaning in {**MEANINGS, **words.inputs}.items():
        if name in lite.input_names:
            shape = "(1, 1)" if name in words.inputs else f"(1, {lite.length})"
            rows.append(f"| input | `{name}` | int32 | {shape} | {meaning} |")
    return "\n".join(rows)


def _outputs(words, lite):
    """The rows of the outputs, and what must be known of classes and pooling."""
    shape = tuple(lite.output_shape)
    lines = [f"| output | `{lite.output_name}` | float32 | {shape} | {words.output} |"]
    if lite.metadata.get("labels"):
        lines.append(f"| output | `{PROBABILITIES}` | float32 | {shape} | their softmax |")
        lines += ["", "`labels.txt` names the classes in the order of the scores; the metadata of"]
        lines.append("the `.tflite` files hold them, too, as JSON under the name `tfdistill`.")
    return "\n".join(lines)


def _quality(task, metrics):
    if metrics is None:
        return "Not measured."
    where = f"the {metrics['split']} split" + f" of `{metrics['corpus']}`" * (not task.kind)
    lines = [f"Float32 models on the whole of {where}. `student.tflite` holds the student;"]
    lines += ["each file's own numbers are in the table of files.", ""]
    measures = [metric for metric in task.metrics if metric.in_summaries]
    names = [
        f"{metric.name} ({metric.unit})" if metric.unit else metric.name for metric in measures
    ]
    lines.append(f"| model | {' | '.join(names)} | agrees with teacher |")
    lines.append("|---|" + "---:|" * (len(measures) + 1))
    for key, name in ({task.floor_key: task.words.floor} | MODELS).items():
        model = metrics["models"].get(key, {})
        if "loss" in model:  # a teacher without a head of the task has no metrics
            cells = [
                metric.text(model, metric is task.primary) if metric.key in model else "–"
                for metric in measures
            ]
            cells.append(f"{model['agreement']:.1%}" if "agreement" in model else "–")
            lines.append(f"| {name} | {' | '.join(cells)} |")
    if any("standard_errors" in model for model in metrics["models"].values()):
        lines += ["", "±: standard error, by bootstrap over the rows of the split."]
    if metrics.get("teacher_answers"):
        lines += ["", f"Gain from the teacher's outputs: {metrics['teacher_answers']['text']}."]
    return "\n".join(lines)
