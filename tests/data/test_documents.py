"""Layouts of text, and cutting into splits."""

import pytest

from tfdistill.data.documents import (
    EXTRACTED,
    PLAIN,
    ROWS,
    SENTENCES,
    SPLITS,
    WIKITEXT,
    WIKITEXT_DENSE,
    cut,
    detect_layout,
    marked_layout,
    split_documents,
)
from tfdistill.data.text_files import CheckedFile, check_file

ARTICLES = [
    " \n", " = Du Fu = \n", " \n", " a well @-@ known <unk> , 1 @,@ 000 or 2 @.@ 5 \n", " \n",
    " = = Life = = \n", " \n", " Pts \n", " = Goals ; A = \n", " Assists \n",
    " \n", " = Skye = \n", " \n", " an island \n",
]  # fmt: skip


def documents_of(lines):
    return [list(document) for document in split_documents(lines, detect_layout(lines))]


def numbered(lengths):
    """A source of documents with distinct lines: document.line."""
    return lambda: ((f"{i}.{j}" for j in range(n)) for i, n in enumerate(lengths))


def cut_lines(source, missing=("validation", "test")):
    return {
        split: [list(document) for document in stream()]
        for split, stream in cut(source, missing).items()
    }


def test_wikitext_headings_start_documents_and_marks_are_undone():
    assert detect_layout(ARTICLES) == WIKITEXT
    assert documents_of(ARTICLES) == [
        [
            "= Du Fu =", "a well-known [UNK] , 1,000 or 2.5", "= = Life = =", "Pts",
            "= Goals ; A =", "Assists",
        ],
        ["= Skye =", "an island"],
    ]  # fmt: skip


def test_wikitext_without_blank_lines():
    lines = ["= A =", "one", "= = B = =", "two", "= C =", "three"]
    assert detect_layout(lines) == WIKITEXT_DENSE
    assert documents_of(lines) == [["= A =", "one", "= = B = =", "two"], ["= C =", "three"]]


def test_text_before_the_first_heading_is_a_document():
    assert documents_of(["lost", "", "= A =", "", "one"]) == [["lost"], ["= A =", "one"]]


def test_plain_text_is_one_document_and_keeps_its_marks():
    lines = ["a <unk> @-@ b\n", "\n", "x = y = z\n", "== no heading ==\n"]
    assert detect_layout(lines) == PLAIN
    assert documents_of(lines) == [["a <unk> @-@ b", "x = y = z", "== no heading =="]]


def marked(text):
    return marked_layout(CheckedFile("", len(text), text, "\n\n" in text))


# What WikiExtractor 3.1 writes, by default, of two pages.
PAGES = """\
<doc id="12" url="https://en.wikipedia.org/wiki?curid=12" title="Inequality">
Inequality

Inequality in mathematics says that a &lt; b, or that R&amp;D &gt; AT&amp;T.
History.

</doc>
<doc id="13" url="https://en.wikipedia.org/wiki?curid=13" title="Second "quoted" &lt;page&gt;">
Second "quoted" &lt;page&gt;

One sentence of text &amp; nothing more.

</doc>
"""


def test_wikiextractor_marks_are_borders_and_entities_are_decoded():
    assert marked(PAGES) == marked(PAGES.replace("\n", "\r\n")) == EXTRACTED
    documents = [list(document) for document in split_documents(PAGES.split("\n"), EXTRACTED)]
    assert documents == [
        [
            "Inequality",
            "Inequality in mathematics says that a < b, or that R&D > AT&T.",
            "History.",
        ],
        ['Second "quoted" <page>', "One sentence of text & nothing more."],
    ]


def test_prose_about_marks_is_not_wikiextractors():
    assert marked('The tool writes <doc id="1"> before a page &lt;.\n') is None


SENTENCES_OF = [
    ["It rained.", "Nobody went out!", "Why?"],
    ["“One more thing,” he said.", 'She said: "No."', "They left ..."],
    ["雨が降った。", "誰も出なかった！"],
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_empty_lines_end_documents_of_a_sentence_a_line(end):
    text = f"{end}{end}".join(end.join(lines) for lines in SENTENCES_OF) + end
    assert marked_layout(CheckedFile("", 0, text, True)) == SENTENCES
    documents = split_documents(text.splitlines(keepends=True), SENTENCES)
    assert [list(document) for document in documents] == SENTENCES_OF


WRAPPED = """\
It rained the whole day, and nobody who
had a roof went out.

In the evening they sat by the fire and
waited. "No," he said at last.

"""
PARAGRAPHS = "It rained the whole day.\n\nIn the evening they waited.\n\nHe came.\nAt last.\n\n"
VERSES = "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n"


PLAY = "ANNA.\nDid you hear the rain?\n\nMR. BROWN.\nI did not.\nI slept.\n\n"


@pytest.mark.parametrize("text", [WRAPPED, PARAGRAPHS, VERSES, PLAY])
def test_empty_lines_between_paragraphs_are_no_borders(text):
    assert marked(text * 30) is None


def test_books_and_plays_are_one_document_each(shared_data):
    files = [
        *shared_data.glob("gutenberg/*.body.txt"),
        *shared_data.glob("tinyshakespeare/input.txt"),
    ]
    if not files:
        pytest.skip("neither gutenberg/ nor tinyshakespeare/ in the folder of data sets")
    for file in files:
        assert marked_layout(check_file(file)) is None, file.name


@pytest.mark.parametrize(
    "text", ['{"text": "a"}\n', '\n {"a\\"b" : 1,\n', '[{"text": "a"}]', '[\n  {\n  "text":']
)
def test_objects_are_rows_whatever_the_files_name(text):
    assert marked(text) == ROWS


@pytest.mark.parametrize("text", ["", "{braces} in text", "[1] a note", '"quoted": no', "{}"])
def test_braces_alone_are_no_rows(text):
    assert marked(text) is None


@pytest.mark.parametrize("lines", [[], ["\n", "  \n"]])
def test_no_text_is_no_document(lines):
    assert documents_of(lines) == []


def test_documents_may_be_left_unread():
    lines = ["= A =", "", "one", "two", "", "= B =", "", "three"]
    stream = split_documents(lines, WIKITEXT)
    assert [next(document) for document in stream] == ["= A =", "= B ="]


def test_a_long_document_is_cut_by_lines():
    splits = cut_lines(numbered([100]))
    assert [len(splits[split][0]) for split in SPLITS] == [90, 5, 5]
    assert sum((splits[split][0] for split in SPLITS), []) == [f"0.{j}" for j in range(100)]


def test_short_documents_are_broken_at_spaces_first():
    words = [f"word{i}" for i in range(100)]
    splits = cut_lines(lambda: iter([[" ".join(words[:60]), " ".join(words[60:])], ["a b c"]]))
    assert [len(document) for document in splits["train"]] == [18, 1]
    assert splits["train"][1] == ["a b c"]  # too short for any cut
    assert splits["validation"] == [[" ".join(words[90:95])]]
    assert splits["test"] == [[" ".join(words[95:])]]
    pieces = [piece for split in SPLITS for piece in splits[split][0]]
    assert " ".join(pieces).split() == words


def test_many_documents_are_cut_by_document():
    splits = cut_lines(numbered([3] * 45))
    held_out = {"validation": [18, 38], "test": [19, 39]}
    for split, numbers in held_out.items():
        assert [document[0] for document in splits[split]] == [f"{i}.0" for i in numbers]
    assert len(splits["train"]) == 41
    everything = [line for split in SPLITS for document in splits[split] for line in document]
    assert len(everything) == len(set(everything)) == 135


@pytest.mark.parametrize("lengths", [[100], [2] * 40])
def test_only_missing_splits_are_cut(lengths):
    splits = cut_lines(numbered(lengths), ["test"])
    assert set(splits) == {"train", "test"}
    both = cut_lines(numbered(lengths))
    assert splits["test"] == both["test"]
    lines = [line for documents in splits.values() for document in documents for line in document]
    assert len(lines) == len(set(lines)) == sum(lengths)
    assert cut_lines(numbered(lengths), []) == {"train": [list(d) for d in numbered(lengths)()]}
