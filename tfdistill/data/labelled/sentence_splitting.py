"""Sentences of running text, to train sentence encoders on."""

import re

from tfdistill.data.labelled.text_pairs import SHORTEST

LONGEST = 100  # words; longer sentences are left out: tables and lists, mostly
WRAPPED = 40  # characters: a line of so many without an end goes on in the next one
_ENDS = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]]))\s+(?![a-z])")
_HEADING = re.compile(r"=.*=")
# Words with a point that end no sentence, in English: titles, initials and a few more.
_GOES_ON = re.compile(
    r"(?:^|[\s(\"'“‘])(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Prof|Capt|Col|Gen|Sgt|No|vs|cf)\.$"
)


def sentences_of(lines):
    """Splits running text into sentences, by its punctuation marks.

    Args:
        lines: iterable of str, such as a document of a `Corpus`. A line may be a paragraph, or text
            that is wrapped; headings (`= Title =`) are left out.

    Yields:
        Sentences of 3 to 100 words, their blanks made single ones.
    """
    rest = ""
    for line in lines:
        if _HEADING.fullmatch(line.strip()):
            rest, line = "", ""
        *whole, last = _parts(f"{rest} {line}".strip())
        yield from filter(_fits, whole)
        ended = last[-1:] in tuple(".!?…") or last[-2:-1] in tuple(".!?…")
        if ended or len(line) < WRAPPED:
            yield from filter(_fits, [last])
            last = ""
        rest = last
    yield from filter(_fits, [rest])


def _parts(text):
    found = []
    for part in _ENDS.split(text):
        if found and _GOES_ON.search(found[-1]):
            found[-1] += f" {part}"
        else:
            found.append(part)
    return [" ".join(part.split()) for part in found]


def _fits(sentence):
    return SHORTEST <= len(sentence.split()) <= LONGEST
