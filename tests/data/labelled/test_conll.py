"""CoNLL files and the schemes of their tags, compared with seqeval."""

import random

import pytest

from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.conll import read_conll, read_words
from tfdistill.data.labelled.examples import Reading
from tfdistill.data.labelled.tag_schemes import BIO, IOB1, IOBES, OTHER, find_scheme, to_bio
from tfdistill.system.errors import UserError


def read(text, /, skip=False, **columns):
    bad = BadRows(skip)
    examples, notes, _ = read_conll("a.conll", text, Reading(**columns), bad)
    return [(" ".join(e.words), " ".join(e.tags), e.origin) for e in examples], notes, bad


@pytest.mark.parametrize("separator", ["\t", " ", "  "])
def test_two_columns(separator):
    text = f"-DOCSTART-{separator}O\n\na{separator}O\r\nb{separator}B-x\n \n\nc{separator}O"
    assert read(text)[0] == [("a b", "O B-x", "a.conll:3"), ("c", "O", "a.conll:7")]


def test_words_with_blanks_and_hashes():
    assert read("a b\tO\n#\tB-x\n\t\n# id = 4\nc\tO\n")[0][0][:2] == ("a b #", "O B-x")
    assert read("# O\n#tag B-x\n\n# id = 5\nc O\n")[0] == [
        ("# #tag", "O B-x", "a.conll:1"),
        ("c", "O", "a.conll:5"),
    ]


def test_comments_with_as_many_columns_as_the_rows():
    text = "# id 17 domain=en\nx _ _ B-a\n# _ _ O\n\n# id 18 domain=en\ny _ _ O\n"
    assert read(text)[0] == [("x #", "B-a O", "a.conll:2"), ("y", "O", "a.conll:6")]
    assert read("# #\n12 CD\n")[0][0][:2] == ("# 12", "# CD")  # parts of speech


def test_columns():
    four = "a DT B-NP O\nb NN I-NP B-x\n"
    found, notes, _ = read(four)
    assert found[0][:2] == ("a b", "O B-x") and "column 4 of 4" in notes[0]
    assert read(four, tag="2")[0][0][:2] == ("a b", "DT NN")
    assert read(four, text="2", tag="-2")[0][0][:2] == ("DT NN", "B-NP I-NP")
    assert read("token\tpos\tner\na\tDT\tO\n", text="text", tag="ner")[0][0][:2] == ("a", "O")
    assert read("token\ttag\na\tO\n")[0] == [("a", "O", "a.conll:2")]
    assert read("B-x\ta\nO\tb\n")[0][0][:2] == ("a b", "B-x O")
    with pytest.raises(UserError, match="tag_column=5: its lines have 4 columns"):
        read(four, tag="5")
    with pytest.raises(UserError, match="no column 'nerd': set tag_column to one of token, tag"):
        read("token\ttag\na\tO\n", tag="nerd")
    with pytest.raises(UserError, match="one column only"):
        read("a\nb\n")
    with pytest.raises(UserError, match="no empty line"):
        read("a\tO\n" * 1001)


def test_bad_rows_leave_their_sentence_out():
    text = "a\tO\nb\tO\n\nc\tO\nd\t\n\tO\n\ne\tO\n"
    with pytest.raises(UserError, match="a.conll:5: no tag"):
        read(text)
    found, _, bad = read(text, skip=True)
    assert [each[0] for each in found] == ["a b", "e"] and bad.total == 1
    with pytest.raises(UserError, match="a.conll:2: 3 columns, not 2"):
        read("a\tO\nb\tc\tO\n\nd\tO\n")


def random_entities(generator):
    """A sentence's entities: list of (type or None, words)."""
    return [
        (generator.choice([None, "x", "y-z"]), generator.randint(1, 3))
        for _ in range(generator.randint(1, 5))
    ]


def in_scheme(entities, scheme):
    tags, before = [], None
    for kind, words in entities:
        if kind is None:
            tags += ["O"] * words
        elif scheme == IOBES:
            tags += (
                [f"S-{kind}"]
                if words == 1
                else [f"B-{kind}", *[f"I-{kind}"] * (words - 2), f"E-{kind}"]
            )
        else:
            first = "B" if scheme == BIO or before == kind else "I"
            tags += [f"{first}-{kind}", *[f"I-{kind}"] * (words - 1)]
        before = kind
    return tags


@pytest.mark.parametrize("scheme", [BIO, IOB1, IOBES])
def test_schemes(scheme):
    generator = random.Random(5)
    entities = [random_entities(generator) for _ in range(300)]
    tags = [in_scheme(each, scheme) for each in entities]
    assert find_scheme(tags) == scheme
    for each, found in zip(entities, tags, strict=True):
        assert list(to_bio(found, scheme)) == in_scheme(each, BIO)


def test_schemes_as_seqeval_has_them():
    schemes = pytest.importorskip("seqeval.scheme")
    generator = random.Random(6)
    for name, scheme in ((IOB1, schemes.IOB1), (IOBES, schemes.IOBES)):
        for _ in range(100):
            tags = in_scheme(random_entities(generator), name)
            assert entities_of(schemes, tags, scheme) == entities_of(
                schemes, list(to_bio(tags, name)), schemes.IOB2
            )


def entities_of(schemes, tags, scheme):
    return {each.to_tuple() for each in schemes.Entities([tags], scheme).entities[0]}


def test_bilou_and_tags_of_no_scheme():
    tags = "U-x O B-x L-x B-y I-y L-y".split()
    assert find_scheme([tags]) == IOBES
    assert to_bio(tags, IOBES) == tuple("B-x O B-x I-x B-y I-y I-y".split())
    assert find_scheme([["NN", "O"]]) == OTHER
    # An error in BIO is none of IOB1: another entity begins with B- after a word outside.
    assert find_scheme([["O", "I-x", "O", "B-x"]]) == BIO


def test_lines_of_several_words_are_left_out():
    """CoNLL-U numbers words: 1-2 stands for two of them, 2.1 for one that the text has not."""
    rows = ["# text = vámonos al mar", "1-2 vámonos _ _", "1 vamos VERB O", "2 nos PRON O"]
    rows += ["2.1 hay _ _", "3-4 al _ _", "3 a ADP O", "4 el DET B-SEA", "5 mar NOUN I-SEA", ""]
    rows += ["1 mar NOUN B-SEA", ""]
    text = "\n".join(row if row.startswith("#") else "\t".join(row.split()) for row in rows)
    found, notes, _ = read(text)
    assert found[0][:2] == ("vamos nos a el mar", "O O O B-SEA I-SEA")
    assert found[1][:2] == ("mar", "B-SEA") and len(found) == 2
    assert notes == (
        "a.conll: words from column 2, tags from column 4 of 4",
        "a.conll: 3 lines with numbers such as 3-4 or 5.1 left out",
    )
    assert read(text, tag="3")[0][0][1] == "VERB PRON ADP DET NOUN"
    ten = "1-2\tal" + "\t_" * 8 + "\n1\ta\ta\tADP" + "\t_" * 6 + "\n2\tel\tel\tDET" + "\t_" * 6
    found, notes, _ = read(ten)
    assert found[0][:2] == ("a el", "ADP DET") and "tags from column 4 of 10" in notes[0]


def test_numbers_that_count_nothing_are_words():
    assert read("7 CD B-x\n8 CD O\n")[0][0][:2] == ("7 8", "B-x O")
    assert read("1 O\n2 O\n\n1 B-x\n")[0][0][0] == "1 2"


@pytest.mark.parametrize(
    ("text", "label", "columns"),
    [
        ("a\nb\n\nc\n", "", {}),
        ("a\nb\n\nc\n", "ner", dict(tag="ner")),
        ("a\nb\n\nc\n", "", dict(tag="2")),
        ("a\t\nb\t\n\nc\t\n", "", {}),
        ("a _\nb _\n\nc _\n", "", {}),
        ("1 a\n2 b\n\n1 c\n", "", {}),
        ("token\na\nb\n\nc\n", "ner", {}),
        ("token\tpos\na\tDT\nb\tNN\n\nc\tNN\n", "ner", dict(tag="ner")),
        ("token\tlemma\na\ta\nb\tb\n\nc\tc\n", "ner", {}),
        ("token\tner\na\t\nb\t\n\nc\t\n", "ner", {}),
        ("a DT\nb NN\n\nc NN\n", "", dict(text="1", tag="3")),
    ],
)
def test_held_out_files_without_tags(text, label, columns):
    examples = read_conll("a.conll", text, Reading(**columns), BadRows(False), label)[0]
    assert [example.words for example in examples] == [("a", "b"), ("c",)]
    assert [example.tags for example in examples] == [None, None]


def test_held_out_files_with_tags():
    def read_held_out(text, label="", **columns):
        (example,), _, name = read_conll("a", text, Reading(**columns), BadRows(False), label)
        return example.tags, name

    assert read_held_out("a O\nb B-x\n") == (("O", "B-x"), "")
    assert read_held_out("a O\nb B-x\n", "ner", tag="ner") == (("O", "B-x"), "")  # no header
    assert read_held_out("token\tner\na\tO\n", "ner", tag="ner") == (("O",), "ner")
    assert read_held_out("token\tpos\ttags\na\tDT\tO\n", "ner", tag="ner") == (("O",), "tags")
    assert read_held_out("token O\na O\n") == (("O", "O"), "")
    with pytest.raises(UserError, match="a:2: no tag"):
        read_held_out("a\tO\nb\t\n")


def test_the_header_of_one_column_of_words():
    bad = BadRows(False)
    sentences, notes, name = read_words("a", "Token\na\nb\n", Reading(), bad)
    assert sentences == [("a", "b")] and name == "Token"
    assert notes == ("a: words from column 'Token'",)
    assert read_words("a", "Token\na\nb\n", Reading(text="1"), bad)[0] == [("Token", "a", "b")]
    assert read_words("a", "token pos ner\na DT O\n", Reading(), bad)[0] == [("a",)]
