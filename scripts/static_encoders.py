"""Compares static sentence encoders with those of the package model2vec, on pairs with scores.

    python scripts/static_encoders.py distill --teacher=DIR --width=256 --output=PEER
    python scripts/static_encoders.py compare --pairs=STS-B/dev.tsv --peer=PEER [NAME=DIR ...]

The first command makes PEER by `model2vec.distill` with its defaults, in float32. It needs an
environment of its own, without tfdistill: pip install "model2vec[distill,quantization]==0.10.0",
where the second extra brings scikit-learn, which `distill` imports. There, too, tokenlearn==0.2.1
trains such a table on the sentences of TEXTS/train.txt:

    python -m tokenlearn.featurize --model-name=DIR --output-dir=FEATURES \\
        --dataset-path=TEXTS --dataset-name=default
    python -m tokenlearn.train --model-name=DIR --data-path=FEATURES --save-path=TRAINED \\
        --vocab-size=0

The command `compare` needs model2vec alone beside tfdistill, as after
`bash scripts/test.sh --parity`. It prints Spearman's correlation of cosines and scores for each
folder, and the difference from PEER with its 95 % interval, by bootstrap over the pairs: all models
are measured on the same draws. A folder's vectors are its own model's; those of model2vec are
computed by model2vec.
"""

import argparse
import functools
import sys
from pathlib import Path

from sentence_embeddings import columns, embed, heads, named_folder, read_pairs

from tfdistill.command_line.cli import exit_code_of

PEER = "model2vec"


def embed_by_table(folder, texts):
    """Vectors of texts: (float (texts, width), rows of the table)."""
    from tfdistill.models.configs.config_files import CONFIG, read_json
    from tfdistill.models.hugging_face.checkpoint import describe_model

    if read_json(Path(folder) / CONFIG).get("model_type") == "model2vec":
        from model2vec import StaticModel

        model = StaticModel.from_pretrained(folder)
        return model.encode(texts), len(model.embedding)
    return embed(folder, texts), describe_model(folder).config.vocab_size


def compare(pairs, peer, models):
    """Prints the table."""
    from tfdistill.tasks.sentence_embedding import cosines

    first, second, scores = read_pairs(pairs)
    found, sizes = {}, {}
    for name, folder in {PEER: peer, **dict(models)}.items():
        vectors, rows = embed_by_table(folder, first + second)
        found[name] = cosines(vectors[: len(first)], vectors[len(first) :])
        sizes[name] = f"{rows:,} x {vectors.shape[1]}"
    print(f"{'':<20}{'rows x width':>16}{heads(PEER)}")
    for name, values in found.items():
        print(f"{name:<20}{sizes[name]:>16}{columns(values, found[PEER], scores)}")


def distill(teacher, width, output):
    """Makes a folder by model2vec's `distill`."""
    from model2vec.distill import distill

    model = distill(teacher, pca_dims=width, quantize_to="float32", device="cpu")
    model.save_pretrained(output)
    print(f"{output}: {model.embedding.shape[0]:,} x {model.embedding.shape[1]}")


def main():
    """Reads the arguments and runs one of the two commands."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    peer = commands.add_parser("distill", help="makes a folder by model2vec's distill")
    peer.add_argument("--teacher", required=True, help="directory of the sentence encoder")
    peer.add_argument("--width", type=int, default=256, help="principal components")
    peer.add_argument("--output", required=True, help="folder to write")
    table = commands.add_parser("compare", help="prints the table")
    table.add_argument("--pairs", required=True, help="dev.tsv of STS-B")
    table.add_argument("--peer", required=True, help="folder of model2vec")
    folder = functools.partial(named_folder, reserved=PEER)
    table.add_argument("models", nargs="*", type=folder, metavar="NAME=DIR")
    arguments = parser.parse_args()
    if arguments.command == "distill":
        distill(arguments.teacher, arguments.width, arguments.output)
    else:
        compare(arguments.pairs, arguments.peer, arguments.models)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
