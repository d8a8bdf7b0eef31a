"""Measures and plots speed and memory as batch, length, vocabulary and corpus grow up to 8 times.

Usage: python scripts/bench/scale.py [--plot=docs/scale.svg]    (ten minutes)
       python scripts/bench/scale.py --plot=docs/scale.svg --redraw

The numbers of a plot are stored beside it (docs/scale.json), from which --redraw draws it again.

The step distils 4 x 128 into 2 x 128 at all tokens. The smallest size is 8 rows of 64 tokens with
BERT's vocabulary. The corpus is the bundled text, repeated. It is prepared, with the tokenizer
already loaded, and read from end to end in training batches. Every point is a process of its own,
whose peak memory is measured from outside.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from compare import call

FACTORS = (1, 2, 4, 8)
BASE = {"rows": 8, "length": 64, "vocabulary": 30_522, "corpus": 4}  # corpus: bundled texts
TEXT_MB = 2.985  # of the bundled text
# Of each axis: the title of its column, the unit of its sizes, and what a size is in that unit.
AXES = {
    "rows": ("Training: rows", "rows of 64 tokens in a batch", 1),
    "length": ("Training: length", "tokens in a row, 8 rows", 1),
    "vocabulary": ("Training: vocabulary", "thousand words, 8 rows of 64 tokens", 1e-3),
    "corpus": ("Preparing a corpus", "MB of text", TEXT_MB),
}
WARM_UP, STEPS = 2, 6  # steps of training that are not timed, and that are
BATCH_ROWS = 256  # in the batches that read a corpus


def time_steps(rows, length, vocabulary):
    """Times a training step.

    Args:
        rows: in a batch.
        length: tokens in a row.
        vocabulary: words of both models.

    Returns:
        Tokens per second.
    """
    import tensorflow as tf

    from tfdistill import recipes
    from tfdistill.distillation.distiller import Distiller
    from tfdistill.models.configs.encoder_config import EncoderConfig
    from tfdistill.models.model import MaskedLanguageModel
    from tfdistill.system import devices
    from tfdistill.training.optimizer import OptimizerSettings, build_optimizer
    from tfdistill.training.step import TrainStep

    machine = devices.prepare("cpu", "float32")

    def model(layers):
        config = EncoderConfig(
            vocab_size=vocabulary,
            hidden_size=128,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=512,
            max_position_embeddings=length,
        )
        return MaskedLanguageModel(config, seed=layers)

    student, masked = model(2), max(1, round(0.15 * length))
    optimizer = build_optimizer(
        student.trainable_variables,
        OptimizerSettings(
            learning_rate=5e-4,
            steps=100,
            warmup_prop=0.05,
            betas=(0.9, 0.98),
            epsilon=1e-6,
            weight_decay=0.0,
            max_grad_norm=5.0,
        ),
    )
    distiller = Distiller(student, recipes.get("distilbert").phases[0], model(4))
    step = TrainStep(distiller, optimizer, machine.jit_compile)
    ids = tf.random.stateless_uniform((rows, length), (1, 2), 5, 20_000, tf.int32)
    batch = {
        "input_ids": ids,
        "attention_mask": tf.ones_like(ids),
        "masked_positions": tf.tile(tf.range(1, 1 + masked)[None], (rows, 1)),
        "masked_labels": ids[:, :masked],
        "masked_weights": tf.ones((rows, masked)),
    }
    seconds = []
    for number in range(WARM_UP + STEPS):
        started = time.perf_counter()
        float(step(batch, number)["loss"])
        seconds.append(time.perf_counter() - started)
    return rows * length / statistics.median(seconds[WARM_UP:])


def time_corpus(texts):
    """Times the preparation of a corpus, and reads an epoch of training batches of it.

    Args:
        texts: how many times the bundled text is in it.

    Returns:
        Tokens of all splits per second.
    """
    import tensorflow as tf  # noqa: F401  as in a run, which then has the faster tokenizer

    from tfdistill.data.batches import TrainingBatches
    from tfdistill.data.corpus import open_corpus
    from tfdistill.data.masking import training_masking
    from tfdistill.data.rows import Rows
    from tfdistill.data.shards import prepare
    from tfdistill.data.tokenizer import load_tokenizer

    with tempfile.TemporaryDirectory() as folder:
        documents = [
            "\n".join(document)
            for open_split in open_corpus("sample").splits.values()
            for document in open_split()
        ]
        for number in range(texts):
            for index, text in enumerate(documents):
                name = Path(folder, "texts", f"{number}-{index}.txt")
                name.parent.mkdir(exist_ok=True)
                name.write_text(text)
        del documents
        tokenizer = load_tokenizer()
        tokenizer.corpus_encoder(None)(["what starts tensorflow-text"])
        corpus = open_corpus(str(Path(folder, "texts")))
        started = time.perf_counter()
        prepared = prepare(corpus, tokenizer, Path(folder, "shards"))
        seconds = time.perf_counter() - started
        tokens = sum(facts["tokens"] for facts in prepared.statistics.values())
        rows = Rows(prepared.shard("train"), 128, tokenizer)
        batches = TrainingBatches(rows, BATCH_ROWS, 0, training_masking(rows))
        for step in range(len(rows) // BATCH_ROWS):
            batches.at(step)
    return tokens / seconds


def measure(axis, factor):
    """Starts the process of one point: one of the sizes of `BASE`, times a factor.

    Returns:
        (tokens per second, bytes of its peak).
    """
    sizes = {**BASE, axis: BASE[axis] * factor}
    found, peak = call("scale.py", "--point", json.dumps([axis, sizes]))
    return float(found), peak


def plot(results, path):
    """Draws one column for each axis, speed above memory.

    Args:
        results: lists of what `measure` returns for `FACTORS`, by axis.
        path: the file.
    """
    from matplotlib.figure import Figure

    figure = Figure((11, 5), layout="constrained")
    grid = figure.subplots(2, len(results), sharex="col")
    for column, (axis, points) in zip(grid.T, results.items(), strict=True):
        title, unit, scale = AXES[axis]
        sizes = [BASE[axis] * factor * scale for factor in FACTORS]
        speeds, peaks = zip(*points, strict=True)
        for axes, heights, label in (
            (column[0], [speed / 1e3 for speed in speeds], "thousand tokens/s"),
            (column[1], [peak / 1e9 for peak in peaks], "peak memory, GB"),
        ):
            axes.plot(sizes, heights, "o-", color="#2c5f8d")
            axes.set_xscale("log", base=2)
            axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
            axes.minorticks_off()
            axes.grid(axis="y", color="#e3e7ec")
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_ylim(0, 1.1 * max(heights))
            axes.set_ylabel(label, fontsize=9)
        column[0].set_title(title, fontsize=10)
        column[1].set_xlabel(unit, fontsize=9)
    figure.savefig(path, metadata={"Date": None})


def stored_beside(path):
    """The file of a plot's numbers: dict of axes to lists of (tokens per second, bytes)."""
    return Path(path).with_suffix(".json")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plot", help="file to draw to: .svg or .png")
    parser.add_argument("--point", help=argparse.SUPPRESS)  # what the processes are asked for
    parser.add_argument("--redraw", action="store_true", help="from the numbers beside --plot")
    options = parser.parse_args()
    if options.redraw and not options.plot:
        parser.error("--redraw needs --plot")
    if options.point:
        axis, sizes = json.loads(options.point)
        corpus = sizes.pop("corpus")
        print(time_corpus(corpus) if axis == "corpus" else time_steps(**sizes))
        return
    if options.redraw:
        plot(json.loads(stored_beside(options.plot).read_text()), options.plot)
        return
    results = {axis: [] for axis in BASE}
    print(f"{'grows':<12}{'size':>10}{'tokens/s':>12}{'peak GB':>10}")
    for axis, points in results.items():
        for factor in FACTORS:
            points.append(measure(axis, factor))
            pace, peak = points[-1]
            size = BASE[axis] * factor
            print(f"{axis:<12}{size:>10,}{pace:>12,.0f}{peak / 1e9:>10.2f}", flush=True)
    if options.plot:
        stored_beside(options.plot).write_text(json.dumps(results) + "\n")
        plot(results, options.plot)


if __name__ == "__main__":
    main()
