"""CoNLL files and the schemes of their tags, compared with seqeval."""

import random

import pytest

from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.conll import read_conll
from tfdistill.data.labelled.examples import Reading
from tfdistill.data.labelled.tag_schemes import BIO, IOB1, IOBES, OTHER, find_scheme, to_bio
from tfdistill.system.errors import UserError


def read(text, /, skip=False, **columns):
    bad = BadRows(skip)
    examples, notes = read_conll("a.conll", text, Reading(**columns), bad)
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
