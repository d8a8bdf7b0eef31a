"""Evaluates sentence embeddings on STS-B: rank correlations with a teacher and with human scores.

    python scripts/sentence_embeddings.py --pairs=dev.tsv --teacher=DIR [--peer=NAME] [NAME=DIR …]

The similarity of two sentences is the cosine of their embeddings. For each model the script prints
Spearman's rank correlation of its similarities with the teacher's, and with human scores. Beside
the latter are its 95 % interval, by bootstrap over the pairs, and its lead over the correlation of
`--peer` (a model's name, or teacher), with its interval: all are measured on the same draws. Models
are Hugging Face directories. One of sentence-transformers is run as it says, with its own
tokenizer. Of any other, the embedding is the mean of the last hidden states, and the teacher's
tokenizer reads the texts.
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from tfdistill.command_line.cli import exit_code_of

TEACHER, DRAWS = "teacher", 2000


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


def embed(folder, texts, tokenizer=""):
    """Vectors of texts.

    Args:
        folder: Hugging Face directory or hub name of a model.
        texts: list of str.
        tokenizer: directory or hub name of the tokenizer for a folder that does not say how a text
            becomes a vector; "": the folder's own.

    Returns:
        float (texts, width).
    """
    from tfdistill.deployment.label_predictor import LabelPredictor
    from tfdistill.models.hugging_face.checkpoint import resolve_directory
    from tfdistill.models.hugging_face.sentence_encoders import is_sentence_encoder

    says_how = is_sentence_encoder(resolve_directory(folder))
    ways = {} if says_how else {"tokenizer": tokenizer, "pooling": "mean"}
    answers = LabelPredictor.open(folder, **ways).predict(texts)
    return np.array([each["embedding"] for each in answers])


def spearman(first, second):
    """Spearman's rank correlation of two arrays (n,), a float."""
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def intervals(found, peer, scores, draws=DRAWS, seed=0):
    """95 % intervals by bootstrap over the pairs.

    Args:
        found, peer, scores: float (pairs,): the cosines of a model, of its peer, and the scores.
        draws: number of samples of as many pairs, with replacement.
        seed: int.

    Returns:
        ((low, high) of the model's correlation, (low, high) of its lead over the peer's).
    """
    generator, values = np.random.default_rng(seed), []
    for _ in range(draws):
        part = generator.integers(len(scores), size=len(scores))
        own, other = (spearman(each[part], scores[part]) for each in (found, peer))
        values.append((own, own - other))
    return tuple(map(tuple, np.quantile(values, (0.025, 0.975), axis=0).T))


def heads(peer):
    """The heads of the columns of `columns`, for a peer of this name."""
    return f"{'with people':>13}{'95 %':>14}{f'- {peer}':>14}{'95 %':>18}"


def columns(found, peer, scores):
    """The correlation with people, the lead over a peer's, and their intervals, as text.

    Args:
        found, peer, scores: as for `intervals`.
    """
    own, lead = intervals(found, peer, scores)
    value = spearman(found, scores)
    return (
        f"{value:>13.4f}{own[0]:>8.3f}-{own[1]:.3f}"
        f"{value - spearman(peer, scores):>+14.4f}{lead[0]:>+10.4f} {lead[1]:>+7.4f}"
    )


def named_folder(text, reserved=TEACHER):
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
    parser.add_argument("--peer", default=TEACHER, help=f"name of a model; default: {TEACHER}")
    parser.add_argument("models", nargs="*", type=named_folder, metavar="NAME=DIR")
    arguments = parser.parse_args()
    sources = {TEACHER: arguments.teacher, **dict(arguments.models)}
    if arguments.peer not in sources:
        parser.error(f"--peer={arguments.peer}: give one of {', '.join(sources)}")

    from tfdistill.tasks.sentence_embedding import cosines

    first, second, scores = read_pairs(arguments.pairs)
    alike = {}
    for name, folder in sources.items():
        vectors = embed(folder, first + second, arguments.teacher)
        alike[name] = cosines(vectors[: len(first)], vectors[len(first) :])
    print(f"{'':<24}{'with the teacher':>18}{heads(arguments.peer)}")
    for name, found in alike.items():
        with_teacher = spearman(found, alike[TEACHER])
        print(f"{name:<24}{with_teacher:>18.3f}{columns(found, alike[arguments.peer], scores)}")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
