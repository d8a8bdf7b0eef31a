"""Files of texts to predict for, and of predictions."""

import csv
import io
import types

import pytest

from tfdistill.data.labelled.opening import open_labelled
from tfdistill.run.prediction_input import rows_of_file
from tfdistill.run.prediction_output import require_words, written
from tfdistill.system.errors import UserError

TAGS = "token_classification"
SENTENCES = [("don't", "9.5"), ("U.S.",)]


class Told(list):
    """A console that records its warnings."""

    def warn(self, lines):
        self.extend(line.replace("`", "") for line in lines)


def read(file, content=None, task=TAGS, text_column="text", encoding_errors="strict"):
    if content is not None:
        file.write_text(content)
    flags = dict(input=str(file), text_column=text_column, text_pair_column="")
    flags |= dict(skip_bad_rows=False, encoding_errors=encoding_errors)
    return rows_of_file(types.SimpleNamespace(**flags), task, Told())


def in_csv(rows, texts, found):
    content = written(rows, texts, found, ".csv", Told())
    return list(csv.DictReader(io.StringIO(content, newline="")))


@pytest.mark.parametrize(
    "content",
    [
        "don't\tO\n9.5\tB-SEA\n\nU.S.\tO\n",
        "don't\n9.5\n\nU.S.\n",
        '{"tokens": ["don\'t", "9.5"]}\n{"tokens": ["U.S."]}\n',
        '{"words": "don\'t 9.5", "id": 1}\n{"words": "U.S.", "id": 2}\n',
        '{"text": ["don\'t", "9.5"]}\n{"text": ["U.S."]}\n',
        "tokens,tags\ndon't 9.5,O B-SEA\nU.S.,O\n",
    ],
)
def test_words_that_are_split_already(tmp_path, content):
    rows, texts, _ = read(tmp_path / "in.txt", content)
    assert texts == SENTENCES
    found = [{"entities": [], "tags": ["O"] * len(words)} for words in texts]
    as_conll = written(rows, texts, found, ".conll", Told())
    assert as_conll == "don't\tO\n9.5\tO\n\nU.S.\tO\n\n"
    assert [row["prediction"] for row in in_csv(rows, texts, found)] == ["O O", "O"]
    assert read(tmp_path / "out.conll", as_conll)[1] == SENTENCES


@pytest.mark.parametrize(
    "content", ["id\ttext\n1\tWe don't.\n", "text\nWe don't.\n", '{"text": "We don\'t."}\n']
)
def test_running_text_to_tag(tmp_path, content):
    assert read(tmp_path / "in.txt", content)[1] == ["We don't."]


@pytest.mark.parametrize(
    ("content", "task", "message"),
    [
        ("The whale sank.\nIt died there.\n", TAGS, "is it running text"),
        ("The whale sank.\nIt died.\n", TAGS, "is it running text"),
        ('{"tokens": ["a", " "]}\n', TAGS, ":1: no words, or an empty one, in the column tokens"),
        ('{"text": "a"}\n{"text": 7}\n', "text_classification", ":2: no text in the column text"),
        (
            '{"question": "a", "context": "b"}\n{"question": "c"}\n',
            "question_answering",
            ":2: no text in the column context",
        ),
    ],
)
def test_what_cannot_be_read(tmp_path, content, task, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path / "in.txt", content, task)


def test_words_without_tags_may_be_numbered(tmp_path):
    assert read(tmp_path / "in.txt", "1 don't\n2 9.5\n\n1 U.S.\n")[1] == SENTENCES
    assert read(tmp_path / "in.txt", "1 B-SEA\n2 O\n")[1] == [("1", "2")]
    assert read(tmp_path / "in.txt", "The DT\nwhale NN\n\n")[1] == [("The", "whale")]


@pytest.mark.parametrize(
    "content", ["token\ndon't\n9.5\n\nU.S.\n", "token tag\ndon't O\n9.5 O\n\nU.S. O\n"]
)
@pytest.mark.parametrize("text_column", ["text", "token"])
def test_the_header_of_words_is_that_of_their_column(tmp_path, content, text_column):
    rows, texts, _ = read(tmp_path / "in.txt", content, text_column=text_column)
    assert texts == SENTENCES
    found = [{"entities": [], "tags": ["O"] * len(words)} for words in texts]
    assert in_csv(rows, texts, found)[0] == {"token": "don't 9.5", "prediction": "O O"}
    as_conll = written(rows, texts, found, ".conll", Told())
    assert as_conll == "don't\tO\n9.5\tO\n\nU.S.\tO\n\n"


def test_a_table_with_a_word_in_each_row_is_refused(tmp_path):
    with pytest.raises(UserError, match="every row has one word, but a row is a sentence"):
        read(tmp_path / "in.csv", "token\nThe\nwhale\n\nIt\n")
    assert read(tmp_path / "in.csv", "token\nThe whale\nIt\n")[1] == [("The", "whale"), ("It",)]
    assert read(tmp_path / "in.txt", '{"token": ["a"]}\n{"token": ["b"]}\n')[1] == [("a",), ("b",)]


def test_a_word_that_is_a_usual_name_of_a_column(tmp_path):
    assert read(tmp_path / "in.txt", "review\tO\nsea\tB-SEA\n")[1] == [("review", "sea")]


@pytest.mark.parametrize("name", ["wnut17/emerging.test.annotated", "mit-restaurant/test.txt"])
def test_the_words_of_real_data(shared_data, name):
    examples = open_labelled("tags", test_data=str(shared_data / name)).splits["test"]
    assert read(shared_data / name)[1] == [example.words for example in examples]


def test_only_words_are_written_as_conll():
    require_words("out.conll", SENTENCES)
    require_words("out.csv", ["a text"])
    with pytest.raises(UserError, match="output=out.conll: .conll holds words with their tags"):
        require_words("out.conll", ["a text"])


def test_columns_that_are_there_stay():
    rows, told = [{"text": "a", "probability": 7}, {"text": "b", "prediction": "mine"}], Told()
    found = [{"label": "good", "probability": 0.5, "probabilities": {"good": 0.5}}] * 2
    lines = written(rows, ["a", "b"], found, ".jsonl", told).splitlines()
    assert told == ["input has a column 'prediction': the new one is 'prediction_2'"]
    assert '"prediction": "mine", "prediction_2": {"label": "good"' in lines[1]
    first, second = in_csv(rows, ["a", "b"], found)
    assert (first["probability"], second["prediction"]) == ("7", "mine")
    for row in (first, second):
        assert (row["prediction_2"], row["probability_2"]) == ("good", "0.5")


@pytest.mark.parametrize(("errors", "texts"), [("replace", ["a", "caf\ufffd"]), ("skip", ["a"])])
def test_files_to_predict_for_that_are_not_utf8(tmp_path, errors, texts):
    file = tmp_path / "in.csv"
    file.write_bytes(b"text,id\na,1\ncaf\xe9,2\n")
    assert read(file, task="text_classification", encoding_errors=errors)[1] == texts
    with pytest.raises(UserError, match="not UTF-8 at byte 15, line 3: .* encoding_errors"):
        read(file, task="text_classification")
