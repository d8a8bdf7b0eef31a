"""Sentences of running text: all of them, or those that sentence encoders are trained on."""

import re

SHORTEST = 3  # words; shorter ones say too little
LONGEST = 100  # words; longer sentences are left out: tables and lists, mostly
MOST_CHARACTERS = 2000  # text without an end is cut where a line brings it beyond this
WRAPPED = 40  # characters: a line of so many without an end goes on in the next one
_END_MARKS = tuple(".!?…。！？")
# Chinese and Japanese have no blanks between sentences.
_ENDS = re.compile(
    r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]]))\s+(?![a-z])"
    r"|(?:(?<=[。！？])|(?<=[。！？][」』”’）]))(?![。！？」』”’）])\s*"
)
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
    return (sentence for sentence, whole in _split(lines) if whole and _fits(sentence))


def all_sentences(lines):
    """Splits running text into sentences, and leaves nothing out.

    Args:
        lines: as for `sentences_of`. A heading, and what has no end, is a sentence, too.

    Yields:
        Sentences, their blanks made single ones.
    """
    return (sentence for sentence, _ in _split(lines) if sentence)


def _split(lines):
    """Yields (sentence, whether it is a whole one): not headings, and not text that is cut off."""
    rest, whole = "", True
    for line in lines:
        if _HEADING.fullmatch(line.strip()):
            yield rest, False
            yield " ".join(line.split()), False
            rest, whole = "", True
            continue
        *complete, last = _parts(f"{rest} {line}".strip())
        for sentence in complete:
            yield sentence, whole
            whole = True
        ended = last.endswith(_END_MARKS) or last[:-1].endswith(_END_MARKS)
        stands = ended or len(line) < WRAPPED
        if stands or len(last) > MOST_CHARACTERS:
            yield last, whole and stands
            last, whole = "", stands
        rest = last
    yield rest, whole


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
