"""Gathers English sentences without labels, to train sentence encoders on.

    python scripts/gather_sentences.py --data=DIR --output=sentences.txt

DIR has the folders wikitext-2 (train.txt), gutenberg (*.txt), tatoeba-eng-fra (*.tsv, English in
the first column) and glue (SST-2, MRPC, RTE and STS-B with their train.tsv). Sentences of STS-B's
dev.tsv and test.tsv, on which encoders are measured, are left out: none has the same SHA-256 of its
letters and digits, without case. A file of the two that is not there is named at the end. Equal
sentences are written once.
"""

import argparse
import csv
import hashlib
import itertools
import sys
from pathlib import Path

from tfdistill.command_line.cli import exit_code_of

GLUE = {
    "SST-2": ("sentence",),
    "MRPC": ("#1 String", "#2 String"),
    "RTE": ("sentence1", "sentence2"),
    "STS-B": ("sentence1", "sentence2"),
}
MEASURED = ("dev.tsv", "test.tsv")  # of STS-B
UNKNOWN = "[UNK]"


def key_of(sentence):
    """SHA-256 of the letters and digits of a sentence, without case: bytes."""
    letters = "".join(filter(str.isalnum, sentence.casefold()))
    return hashlib.sha256(letters.encode()).digest()


def columns_of(path, names):
    """Texts of a tab-separated file.

    Args:
        path: `Path`, with a header.
        names: columns; those that are missing are left out.

    Yields:
        str.
    """
    with open(path, encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows.fieldnames = [(name or "").strip().lstrip("\ufeff") for name in rows.fieldnames]
        for row in rows:
            yield from (row[name] for name in names if row.get(name))


def sources(data):
    """Yields (name, sentences) of each source in a folder."""
    from tfdistill.data.corpus import open_corpus
    from tfdistill.data.sentence_splitting import sentences_of

    articles = open_corpus("wikitext-2", str(data / "wikitext-2")).splits["train"]()
    found = itertools.chain.from_iterable(map(sentences_of, articles))
    yield "wikitext-2", (sentence for sentence in found if UNKNOWN not in sentence)
    books = sorted((data / "gutenberg").glob("*.txt"))
    lines = (book.read_text("utf-8").split("\n") for book in books)
    yield "books", itertools.chain.from_iterable(map(sentences_of, lines))
    pairs = sorted((data / "tatoeba-eng-fra").glob("*.tsv"))
    lines = (line for file in pairs for line in file.read_text("utf-8").split("\n"))
    yield "tatoeba", (line.split("\t")[0] for line in lines)
    for name, columns in GLUE.items():
        yield name, columns_of(data / "glue" / name / "train.tsv", columns)


def measured_files(data):
    """Those files of STS-B on which encoders are measured that are there: list of `Path`s."""
    files = (data / "glue" / "STS-B" / name for name in MEASURED)
    return [file for file in files if file.is_file()]


def gather(data):
    """Gathers the sentences.

    Args:
        data: `Path` of the folder.

    Returns:
        (list of sentences, dict of sources to numbers, number that is left out for STS-B).
    """
    files = measured_files(data)
    measured = {key_of(text) for file in files for text in columns_of(file, GLUE["STS-B"])}
    known, found, counts, left_out = set(measured), [], {}, 0
    for name, sentences in sources(data):
        before = len(found)
        for sentence in sentences:
            sentence, key = " ".join(sentence.split()), key_of(sentence)
            left_out += key in measured
            if sentence and key not in known:
                known.add(key)
                found.append(sentence)
        counts[name] = len(found) - before
    return found, counts, left_out


def main():
    """Writes the file and prints how many sentences each source has."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path, help="folder of the sources")
    parser.add_argument("--output", required=True, type=Path, help="file to write")
    arguments = parser.parse_args()
    found, counts, left_out = gather(arguments.data)
    arguments.output.write_text("".join(f"{each}\n" for each in found), encoding="utf-8")
    for name, count in counts.items():
        print(f"{name}: {count:,} sentences")
    print(f"{len(found):,} sentences; {left_out:,} are left out, for STS-B measures on them")
    there = {file.name for file in measured_files(arguments.data)}
    for name in MEASURED:
        if name not in there:
            print(f"not compared with STS-B's {name}, which is not there")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
