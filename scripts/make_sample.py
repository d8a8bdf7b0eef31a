"""Makes the bundled text sample from five public-domain books.

    python scripts/make_sample.py --books=../shared/data/gutenberg

Reads the five `*.body.txt` files (plain text, wrapped lines, blank lines between paragraphs, no
header or footer) and writes train.txt, validation.txt and test.txt in WikiText's layout: one
paragraph per line, and a line ` = Book : Chapter = ` before each chapter. It omits title pages and
tables of contents, and in Moby Dick the Etymology, the Extracts and the classification of whales in
chapter 32, so that the sample stays below 3,000,000 bytes.
"""

import argparse
import re
from pathlib import Path

ROMAN = r"[IVX]+\."
# file, title, and the line that opens a chapter: the group is the name of the chapter
BOOKS = (
    ("pg11-alice", "Alice's Adventures in Wonderland", r"(CHAPTER " + ROMAN + r" .+)"),
    ("pg1342-pride-and-prejudice", "Pride and Prejudice", r"(Chapter \d+)"),
    (
        "pg1661-sherlock-holmes",
        "The Adventures of Sherlock Holmes",
        rf"((?:ADVENTURE )?{ROMAN} [A-Z' -]+|{ROMAN})",
    ),
    ("pg2701-moby-dick", "Moby Dick", r"(CHAPTER \d+\. .+|Epilogue)"),
    ("pg84-frankenstein", "Frankenstein", r"(Letter \d+|Chapter \d+)"),
)
LEFT_OUT = "CHAPTER 32. Cetology."
SHARE = 20  # about one chapter in this many goes to validation, and as many to test


def chapters(text, opening):
    """Cuts a book into chapters.

    Args:
        text: the book.
        opening: pattern of a line that opens a chapter.

    Returns:
        A list of (name, list of paragraphs); what stands before the first chapter is left out.
    """
    parts = re.split(rf"^{opening}$", text, flags=re.MULTILINE)
    cut = []
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        # Underscores only mark emphasis; rows of asterisks only mark breaks.
        paragraphs = [" ".join(p.replace("_", "").split()) for p in re.split(r"\n\s*\n", body)]
        paragraphs = [p for p in paragraphs if re.search(r"\w", p)]
        # A title that is followed at once by its first part has no paragraph of its own.
        if paragraphs and name != LEFT_OUT:
            cut.append((name, paragraphs))
    return cut


def assign(count):
    """Chooses the chapters of one book that are held out.

    Args:
        count: chapters of the book.

    Returns:
        Two sets of chapter numbers, for validation and test, spread evenly over the book.
    """
    chosen = max(1, round(count / SHARE))
    validation = {int((i + 0.25) * count / chosen) for i in range(chosen)}
    test = {int((i + 0.75) * count / chosen) for i in range(chosen)}
    return validation, test


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--books", type=Path, required=True, help="folder of the *.body.txt files")
    default = Path(__file__).parent.parent / "tfdistill" / "assets" / "sample"
    parser.add_argument("--output", type=Path, default=default, help="folder to write into")
    options = parser.parse_args()

    splits = {"train": [], "validation": [], "test": []}
    for file, title, opening in BOOKS:
        book = chapters((options.books / f"{file}.body.txt").read_text("utf-8"), opening)
        validation, test = assign(len(book))
        for number, (name, paragraphs) in enumerate(book):
            split = "validation" if number in validation else "test" if number in test else "train"
            lines = "".join(f" {paragraph} \n" for paragraph in paragraphs)
            splits[split].append(f" \n = {title} : {name} = \n \n{lines}")
    for split, documents in splits.items():
        text = "".join(documents)
        (options.output / f"{split}.txt").write_text(text, "utf-8")
        print(f"{split}: {len(documents)} chapters, {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
