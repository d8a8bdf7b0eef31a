"""The script that gathers sentences leaves out those on which models are measured."""

import sys

import gather_sentences
import pytest

HEADERS = {
    "SST-2": "sentence\tlabel",
    "MRPC": "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String",
    "RTE": "index\tsentence1\tsentence2\tlabel",
    "STS-B": "index\tsentence1\tsentence2\tscore",
}


@pytest.fixture
def data(tmp_path):
    files = {
        "wikitext-2/train.txt": " = Ships = \n\n The ship sank . A <unk> sank . It was night . \n",
        "gutenberg/book.txt": "It was a dark and very stormy night. The ship\nsank there.\n",
        "tatoeba-eng-fra/train.tsv": "Ships sink.\tDes bateaux.\nA dog ran away!\tUn chien.\n",
        "glue/SST-2/train.tsv": f'{HEADERS["SST-2"]}\na "fine" film\t1\n',
        "glue/MRPC/train.tsv": f"\ufeff{HEADERS['MRPC']}\n1\t2\t3\tOne text.\tAnother text.\n",
        "glue/RTE/train.tsv": f"{HEADERS['RTE']}\n0\tOne text.\tSomething else.\tentailment\n",
        "glue/STS-B/train.tsv": f"{HEADERS['STS-B']}\n0\tA cat sat.\tA dog ran, away!\t1\n",
        "glue/STS-B/dev.tsv": f"{HEADERS['STS-B']}\n0\tA dog ran away.\tNew.\t5\n",
    }
    files |= {f"wikitext-2/{name}.txt": "A held-out text .\n" for name in ("valid", "test")}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def test_sentences_of_all_sources(data):
    found, counts, left_out = gather_sentences.gather(data)
    assert found == [
        *("The ship sank .", "It was night ."),
        *("It was a dark and very stormy night.", "The ship sank there."),
        *("Ships sink.", 'a "fine" film', "One text.", "Another text.", "Something else."),
        "A cat sat.",
    ]
    assert counts == {
        "wikitext-2": 2,
        "books": 2,
        "tatoeba": 1,
        "SST-2": 1,
        "MRPC": 2,
        "RTE": 1,
        "STS-B": 1,
    }
    assert left_out == 2  # the dog, with other punctuation, in two sources


def test_both_measured_files_count_and_a_missing_one_is_told(data, tmp_path, monkeypatch, capsys):
    words = ["gather_sentences", f"--data={data}", f"--output={tmp_path / 'out.txt'}"]
    monkeypatch.setattr(sys, "argv", words)
    gather_sentences.main()
    assert "not compared with STS-B's test.tsv" in capsys.readouterr().out
    assert "It was night ." in (tmp_path / "out.txt").read_text("utf-8")

    rows = f"{HEADERS['STS-B']}\n0\tIt was night!\tNew.\n"
    (data / "glue" / "STS-B" / "test.tsv").write_text(rows, "utf-8")
    gather_sentences.main()
    assert "not compared" not in capsys.readouterr().out
    assert "It was night" not in (tmp_path / "out.txt").read_text("utf-8")
