"""Evaluates sentence embeddings on STS-B: rank correlations with a teacher and with human scores.

    python scripts/sentence_embeddings.py --pairs=STS-B/dev.tsv --teacher=DIR [NAME=DIR …]

A sentence's embedding is the mean of its last hidden states; the similarity of two sentences is the
cosine of their embeddings. For each model the script prints Spearman's rank correlation of its
similarities with the teacher's, and with the human scores. Models are Hugging Face directories; the
teacher's tokenizer reads the texts.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

LENGTH, BATCH = 64, 64


def read_pairs(path):
    """Sentences and scores of a file of the GLUE task STS-B.

    Args:
        path: the .tsv file, with a header.

    Returns:
        (first sentences, second sentences, scores from 0 to 5).
    """
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    scores = np.array([float(row["score"]) for row in rows])
    return [row["sentence1"] for row in rows], [row["sentence2"] for row in rows], scores


def embed(model, tokenizer, sentences):
    """Means of the last hidden states over each sentence's tokens.

    Args:
        model: `MaskedLanguageModel`, with a head or without.
        tokenizer: a `Tokenizer`.
        sentences: list of str.

    Returns:
        float32 (sentences, hidden).
    """
    import tensorflow as tf

    @tf.function(autograph=False)
    def encode(ids, mask):
        hidden = model.encode({"input_ids": ids, "attention_mask": mask})["last_hidden_state"]
        weights = tf.cast(mask, tf.float32)[..., None]
        return tf.reduce_sum(hidden * weights, 1) / tf.reduce_sum(weights, 1)

    found = []
    for start in range(0, len(sentences), BATCH):
        texts = sentences[start : start + BATCH]
        encoded = [tokenizer.encode(text, LENGTH) for text in texts]
        ids, mask = (np.stack(part) for part in zip(*encoded, strict=True))
        found.append(encode(tf.constant(ids), tf.constant(mask)).numpy())
    return np.concatenate(found)


def spearman(first, second):
    """Spearman's rank correlation of two arrays (n,), a float."""
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def named_folder(text, reserved="teacher"):
    """An argument NAME=DIR: (name, folder). NAME is not the `reserved` one."""
    name, equals, folder = text.partition("=")
    if not (name and equals and Path(folder).is_dir()) or name == reserved:
        raise argparse.ArgumentTypeError(
            f"give NAME=DIR, a name other than {reserved} and a directory that is there: {text}"
        )
    return name, folder


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", required=True, help="dev.tsv of STS-B")
    parser.add_argument("--teacher", required=True, help="Hugging Face directory")
    parser.add_argument("models", nargs="*", type=named_folder, metavar="NAME=DIR")
    arguments = parser.parse_args()

    import tfdistill
    from tfdistill.data.tokenizer import load_tokenizer
    from tfdistill.tasks.sentence_embedding import cosines

    first, second, scores = read_pairs(arguments.pairs)
    tokenizer = load_tokenizer(arguments.teacher)
    sources = {"teacher": arguments.teacher, **dict(arguments.models)}
    alike = {}
    print(f"{'':<28}{'with the teacher':>18}{'with people':>14}")
    for name, folder in sources.items():
        model = tfdistill.load_model(folder)
        alike[name] = cosines(*(embed(model, tokenizer, side) for side in (first, second)))
        against = [spearman(alike[name], other) for other in (alike["teacher"], scores)]
        print(f"{name:<28}{against[0]:>18.3f}{against[1]:>14.3f}", flush=True)


if __name__ == "__main__":
    main()
