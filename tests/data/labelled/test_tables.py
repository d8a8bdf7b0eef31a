"""CSV, TSV and JSON: quotes, headers, columns, bad rows."""

import csv
import io
import json
import random

import pytest

from tfdistill.data.labelled.bad_rows import BadRows
from tfdistill.data.labelled.columns import choose_columns
from tfdistill.data.labelled.examples import Reading
from tfdistill.data.labelled.rows import table_examples
from tfdistill.data.labelled.tables import Table, read_json, read_separated
from tfdistill.system.errors import UserError


def rows(text, skip=False, **options):
    bad = BadRows(skip)
    table = read_separated("a.csv", text, bad, **options)
    return [(place, *row.values()) for place, row in table.rows], bad


def examples(text, kind="text", /, skip=False, **columns):
    bad = BadRows(skip)
    named = tuple(columns.values())
    table = read_separated("a.csv", text, bad, named=named)
    return table_examples(table, kind, Reading(**columns), bad)[0], bad


def test_quoted_fields_as_the_module_csv_writes_them():
    values = [["text", "label"], ['a "b", c', "yes"], ["two\nlines", "no"], ["d", "yes"]]
    written = io.StringIO()
    csv.writer(written).writerows(values)
    found, _ = rows(written.getvalue())
    assert found == [(2, 'a "b", c', "yes"), (3, "two\nlines", "no"), (5, "d", "yes")]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_quoted_tsv(quoting):
    values = [["text", "label"], ["a\tb", "yes"], ['he said "no"', "no"]]
    written = io.StringIO()
    csv.writer(written, delimiter="\t", quoting=quoting).writerows(values)
    found, _ = rows(written.getvalue())
    assert [list(row[1:]) for row in found] == values[1:]


@pytest.mark.parametrize(
    "line", ['"Yes" , he said "no"', '" The pie is new', 'all of 6"', '"A whole sentence."']
)
def test_quotes_in_tsv_are_text(line):
    found, _ = rows(f"text\tlabel\nfirst\t1\n{line}\t0\nmore\t1\n")
    assert found == [(2, "first", "1"), (3, line, "0"), (4, "more", "1")]


def test_quotes_in_tsv_that_seem_to_enclose_lines():
    text = 'text\tlabel\n"\t1\nsaid "no\t0\nof 6 "\t1\n'
    assert [row[1] for row in rows(text)[0]] == ['"', 'said "no', 'of 6 "']
    text = 'text\tlabel\n"two\nlines"\t1\n'
    assert [row[1] for row in rows(text)[0]] == ["two\nlines"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_random_fields(separator):
    generator = random.Random(3)
    for _ in range(200):
        written = io.StringIO()
        values = [["text", "label"]]
        values += [
            ["".join(generator.choices('ab ",;', k=6)), generator.choice("xy")] for _ in range(4)
        ]
        csv.writer(written, delimiter=separator).writerows(values)
        found, _ = rows(written.getvalue(), separators=(separator,))
        assert [list(row[1:]) for row in found] == values[1:]


def test_quotes_that_enclose_nothing_in_csv_are_text():
    found, _ = rows('text,label\n"Yes" he said,1\nan inch is 1",0\n')
    assert found == [(2, '"Yes" he said', "1"), (3, 'an inch is 1"', "0")]


def test_a_quote_that_is_not_closed():
    text = 'text,label\n"a, b",1\n"not closed,0\nc,1\n"d, e",1\n'
    with pytest.raises(UserError, match="a.csv:3: a quote .* skip_bad_rows"):
        rows(text)
    found, bad = rows(text, skip=True)
    assert found == [(2, "a, b", "1"), (4, "c", "1"), (5, "d, e", "1")]
    assert list(bad.notes()) == [
        'a.csv: 1 bad rows left out; the first, 3: a quote (") that is not closed, or text after '
        "the one that closes"
    ]


def test_rows_of_another_width():
    text = "text,label\na,1\nb\nc,0\nd,e,1\n"
    with pytest.raises(UserError, match="a.csv:3: 1 columns, not 2"):
        rows(text)
    assert rows(text, skip=True)[1].counts == {"a.csv": 2}


def test_line_ends_and_separators():
    assert rows("text;label\r\na, b;1\r\n\r\nc;0")[0] == [(2, "a, b", "1"), (4, "c", "0")]
    # Characters that str.splitlines takes for line ends.
    assert rows("text\tlabel\na\u2028b\x0bc\x85\t1\n")[0] == [(2, "a\u2028b\x0bc\x85", "1")]


def test_columns_without_a_name():
    found, _ = rows(",text, label,,\n0,a,x,,\n")
    assert found == [(2, "0", "a", "x", "", "")]
    table = read_separated("a.csv", ",text, label,,\n0,a,x,,\n", BadRows())
    assert table.columns == ("1", "text", "label", "4", "5")
    with pytest.raises(UserError, match="a.csv:1: two columns are called 'text'"):
        rows("text,text\na,b\n")


def test_columns_by_position_without_a_header():
    found, _ = examples("7,good,1\n8,bad,0\n", text="2", label="-1")
    assert [(e.text, e.label, e.origin) for e in found] == [
        ("good", "1", "a.csv:1"),
        ("bad", "0", "a.csv:2"),
    ]
    with pytest.raises(UserError, match="no column '9'.*set text_column"):
        examples("7,good,1\n", text="9", label="-1")


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (("text", "category"), ("text", "category", None)),
        (("utterance", "Intent"), ("utterance", "Intent", None)),
        (("my words", "label"), ("my words", "label", None)),
        (("id", "premise", "hypothesis", "gold_label"), ("premise", "gold_label", "hypothesis")),
        (("id", "title", "text", "review", "class"), ("text", "class", None)),
        (("Quality", "#1 ID", "#1 String", "#2 String"), ("#1 String", "Quality", "#2 String")),
    ],
)
def test_obvious_columns(columns, found):
    chosen, notes = choose_columns(Table("a.csv", columns, ()), "text", Reading())
    assert chosen == found
    assert repr(found[0]) in notes[0] and repr(found[1]) in notes[0]


@pytest.mark.parametrize(
    ("columns", "setting"),
    [
        (("a", "b"), "text_column"),
        (("sentence", "review", "label"), "text_column"),
        (("text", "label", "category"), "label_column"),
        (("text", "x", "y"), "label_column"),
        (("label",), "text_column"),
    ],
)
def test_columns_that_are_not_obvious(columns, setting):
    with pytest.raises(UserError, match=rf"a\.csv: which column.*set {setting}"):
        choose_columns(Table("a.csv", columns, ()), "text", Reading())


def test_a_table_with_too_few_columns():
    message = "a.csv: no column is left for the label: the file has only 'message': add one, or"
    with pytest.raises(UserError, match=message):
        choose_columns(Table("a.csv", ("message",), ()), "text", Reading())
    message = "for the answers: the file has only 'question', 'context'"
    with pytest.raises(UserError, match=message):
        choose_columns(Table("a.csv", ("question", "context"), ()), "spans", Reading())


def test_named_columns():
    table = Table("a.csv", ("text", "label", "other"), ())
    assert choose_columns(table, "text", Reading(label="other"))[0] == ("text", "other", None)
    reading = Reading(text="other", pair="text", label="label")
    assert choose_columns(table, "text", reading)[0] == ("other", "label", "text")
    with pytest.raises(UserError, match="no column 'lable', only 'text', 'label', 'other'"):
        choose_columns(table, "text", Reading(label="lable"))
    with pytest.raises(UserError, match="two roles"):
        choose_columns(table, "text", Reading(text="label", label="label"))


def test_numbers():
    found, _ = examples("text,score\na,2\nb,1.5\n", "numbers")
    assert [e.label for e in found] == [2.0, 1.5] and isinstance(found[0].label, float)
    for value in ("good", "nan", "inf", "True"):
        with pytest.raises(UserError, match=rf"a\.csv:2: the label '{value}' is not a number"):
            examples(f"text,score\na,{value}\n", "numbers")


def test_rows_without_text_or_label():
    for row, problem in ((" ,1", "no text"), ("a,", "no label")):
        with pytest.raises(UserError, match=f"a.csv:3: {problem}"):
            examples(f"text,label\na,1\n{row}\n")
    assert examples("text,label\na,1\n,\n", skip=True)[1].total == 1


def test_nan_is_no_class():
    rows = '{"text": "a", "label": "x"}\n{"text": "b", "label": NaN}\n'
    table = read_json("a.jsonl", rows, BadRows())
    with pytest.raises(UserError, match="a.jsonl:2: no label"):
        table_examples(table, "text", Reading(), BadRows())


def test_json_lines_and_lists():
    lines = '{"text": "a", "label": 1}\n\n{"text": "b", "label": "yes"}\n{"text": "c"}\n[1]\n{"t\n'
    bad = BadRows(skip=True)
    found, *_ = table_examples(read_json("a.jsonl", lines, bad), "text", Reading(), bad)
    assert [(e.text, e.label, e.origin) for e in found] == [
        ("a", "1", "a.jsonl:1"),
        ("b", "yes", "a.jsonl:3"),
    ]
    assert bad.total == 3 and bad.first["a.jsonl"] == (
        5,
        "not a JSON object with a value for each column",
    )
    with pytest.raises(UserError, match="a.json:1: JSON over several lines: give one list"):
        list(read_json("a.json", '{\n "text": ["a"]\n}', BadRows()).rows)
    with pytest.raises(UserError, match="a.jsonl:6: not JSON"):
        list(read_json("a.jsonl", "\n" * 5 + '{"t\n', BadRows()).rows)
    table = read_json("a.json", '[{"text": "a", "label": "x"},\n {"text": 5, "label": "y"}]', bad)
    with pytest.raises(UserError, match="a.json:row 2: the text is a int, not text"):
        table_examples(table, "text", Reading(), BadRows())


def of_rows(rows, kind, skip=False):
    """The examples of JSON lines, and the bad rows."""
    bad = BadRows(skip)
    table = read_json("a.jsonl", "\n".join(map(json.dumps, rows)), bad)
    return table_examples(table, kind, Reading(), bad)[0], bad


def test_a_column_that_the_first_row_lacks():
    """A second text is not left out because the first row has none."""
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 0, "text2": "c"}]
    with pytest.raises(UserError, match="a.jsonl:1: no second text"):
        of_rows(rows, "text")
    (found,), bad = of_rows(rows, "text", skip=True)
    assert (found.text, found.pair, bad.total) == ("b", "c", 1)


@pytest.mark.parametrize(
    ("labels", "shown"), [((1, 1.0), "1 and 1.0"), ((True, 1), "true and 1"), (("1", 1), "")]
)
def test_classes_are_written_in_one_way(labels, shown):
    """1, 1.0 and true would be three classes; 1 and "1" are one."""
    rows = [{"text": f"t{number}", "label": label} for number, label in enumerate(labels)]
    if not shown:
        assert [each.label for each in of_rows(rows, "text")[0]] == ["1", "1"]
        return
    with pytest.raises(UserError, match=f"a.jsonl: labels of several kinds, such as {shown}: "):
        of_rows(rows, "text")
    nothing = [*rows[:1], {"text": "c", "label": float("nan")}]
    assert len(of_rows(nothing, "text", skip=True)[0]) == 1


@pytest.mark.parametrize("label", [1e308, -1e300, 10**400], ids=["large", "negative", "whole"])
def test_numbers_whose_square_is_infinite(label):
    rows = [{"text": "a", "score": 2}, {"text": "b", "score": label}]
    with pytest.raises(UserError, match=r"a.jsonl:2: the label is over 1e\+15, too large") as error:
        of_rows(rows, "numbers")
    assert "\n" not in str(error.value)
    assert [each.label for each in of_rows(rows, "numbers", skip=True)[0]] == [2.0]


def test_words_and_tags_are_text():
    for words, tags, shown in (
        (["a", None], ["O", "O"], "None among the words"),
        (["a", ["b"]], ["O", "O"], r"\['b'\] among the words"),
        (["a", "b"], ["O", float("nan")], "nan among the tags"),
    ):
        with pytest.raises(UserError, match=f"a.jsonl:1: {shown}: correct it"):
            of_rows([{"tokens": words, "tags": tags}] * 2, "tags")
    (found, _), _ = of_rows([{"tokens": ["a", 2.5], "tags": [0, 1]}] * 2, "tags")
    assert (found.words, found.tags) == (("a", "2.5"), ("0", "1"))


def test_labels_that_no_row_has():
    table = read_json("a.jsonl", '{"text": "a", "label": null}\n' * 2, BadRows())
    found, *_ = table_examples(table, "text", Reading(), BadRows())
    assert [each.label for each in found] == [None, None]


def test_words_and_tags_in_cells():
    found, _ = examples("tokens,tags\na b,O B-x\n\"['c', 'd']\",O O\n", "tags")
    assert [(e.words, e.tags) for e in found] == [
        (("a", "b"), ("O", "B-x")),
        (("c", "d"), ("O", "O")),
    ]
    with pytest.raises(UserError, match="every row has one word.*CoNLL"):
        examples("word,tag\na,O\nb,B-x\n", "tags")
    with pytest.raises(UserError, match="a.csv:2: 1 tags for 2 words"):
        examples("tokens,tags\na b,O\n", "tags")
