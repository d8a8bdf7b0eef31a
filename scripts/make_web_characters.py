"""Writes examples/web/characters.js: how `tokenizers` classifies characters.

    python scripts/make_web_characters.py

JavaScript's own classes follow a later version of Unicode. Every character is given to the
normalizer and the pre-tokenizer of BERT. Takes half a minute.
"""

import sys
import textwrap
from pathlib import Path

import tokenizers
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

OUTPUT = Path(__file__).resolve().parents[1] / "examples" / "web" / "characters.js"
NOTHING = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
AT_ONCE, WIDTH = 20_000, 110
FIRST_MARK, LATER_MARK = "\u0334", "\u0301"  # of the lowest order, and of a higher one
HEAD = """\
// The classes of characters that BERT's tokenizer knows, as the Python package `tokenizers` {}
// has them: what stands in the brackets of regular expressions. Written by
// scripts/make_web_characters.py.
"""


def characters():
    """All characters that text may hold, but for the separator of `normalized`."""
    codes = (c for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF)
    return [chr(c) for c in codes if chr(c) != "|"]


def normalized(every, **settings):
    """Yields each character with what a part of the normalizer makes of it."""
    normalizer = BertNormalizer(**{**NOTHING, **settings})
    for begin in range(0, len(every), AT_ONCE):
        part = every[begin : begin + AT_ONCE]
        text = normalizer.normalize_str("|".join(f"a{c}b" for c in part))
        for c, found in zip(part, text.split("|"), strict=True):
            yield c, found[1:-1]


def is_moved(character):
    """Whether the normal form knows a character: it takes it apart, or puts it into its order."""
    normal = NFD().normalize_str
    forms = (character, f"a{character}{FIRST_MARK}", f"a{LATER_MARK}{character}")
    return any(normal(form) != form for form in forms)


def brackets(found):
    """The content of the brackets of a regular expression: ranges of code points."""
    stretches = []
    for code in map(ord, found):
        if stretches and stretches[-1][1] == code - 1:
            stretches[-1][1] = code
        else:
            stretches.append([code, code])
    parts = (rf"\u{{{a:x}}}" + (rf"-\u{{{b:x}}}" if b > a else "") for a, b in stretches)
    return "".join(parts)


def classes():
    """dict of the constants' names to characters."""
    every, split = characters(), BertPreTokenizer()
    marks = normalized(every, strip_accents=True)
    ideographs = normalized(every, handle_chinese_chars=True)
    return {
        "CONTROLS": [c for c, found in normalized(every, clean_text=True) if not found],
        "IDEOGRAPHS": [c for c, found in ideographs if found == f" {c} "],
        "MARKS": [c for c, found in marks if not found],
        "NORMALIZED": list(filter(is_moved, every)),
        "PUNCTUATION": [
            c
            for c in [*every[: ord("|")], "|", *every[ord("|") :]]
            if len(split.pre_tokenize_str(f"a{c}b")) == 3
        ],
    }


def content():
    """The content of the file."""
    lines = [HEAD.format(tokenizers.__version__)]
    for name, found in classes().items():
        escaped = brackets(found).replace("\\", "\\\\")
        parts = textwrap.wrap(escaped.replace("}\\", "} \\"), WIDTH)  # blanks where lines may end
        texts = " +\n".join(f'  "{part.replace(" ", "")}"' for part in parts)
        lines.append(f"export const {name} =\n{texts};\n")
    return "\n".join(lines)


def main():
    OUTPUT.write_text(content())


if __name__ == "__main__":
    main()
