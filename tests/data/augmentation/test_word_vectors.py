"""Word vectors: their formats, and nearest words beside a plain reference."""

import gzip

import numpy as np
import pytest

from tfdistill.data.augmentation import word_vectors
from tfdistill.data.augmentation.word_vectors import WordVectors, load_word_vectors
from tfdistill.system.errors import UserError

WORDS = ["the", ",", "ship", "boat", "whale", "New York", "x2", "oil"]
VECTORS = np.random.default_rng(0).standard_normal((len(WORDS), 4)).astype(np.float32)


def text_lines():
    rows = zip(WORDS, VECTORS, strict=True)
    return [f"{word} {' '.join(map(repr, map(float, row)))}" for word, row in rows]


def write(folder, form):
    lines = "\n".join(text_lines()) + "\n"
    header = f"{len(WORDS)} 4\n"
    file = folder / f"vectors.{'npy' if form.startswith('npy') else 'txt'}"
    if form == "glove":
        file.write_text(lines)
    elif form == "packed":
        file = folder / "vectors.txt.gz"
        file.write_bytes(gzip.compress(lines.encode()))
    elif form == "word2vec":
        file.write_text(header + lines)
    elif form == "binary":
        file = folder / "vectors.bin"
        rows = zip(WORDS, VECTORS, strict=True)
        blocks = [word.encode() + b" " + row.tobytes() + b"\n" for word, row in rows]
        blocks = [block.replace(b"New York", b"New_York") for block in blocks]
        file.write_bytes(header.encode() + b"".join(blocks))
    else:
        np.save(file, VECTORS.astype(np.float16 if form == "npy16" else np.float32))
        words = folder / ("words.txt" if form == "npy16" else "vectors.txt")
        words.write_text("\n".join(WORDS) + "\n")
    return file


def reference(word, count):
    """By a loop over all words; only words of letters are candidates."""
    unit = {w: v / np.linalg.norm(v) for w, v in zip(WORDS, VECTORS, strict=True)}
    others = [w for w in WORDS if w.isalpha() and w != word]
    return tuple(sorted(others, key=lambda w: -float(unit[w] @ unit[word]))[:count])


@pytest.mark.parametrize("form", ["glove", "packed", "word2vec", "binary", "npy", "npy16"])
def test_every_format_gives_the_same_neighbours(form, tmp_path):
    vectors = load_word_vectors(write(tmp_path, form))
    assert len(vectors) == len(WORDS)
    found = vectors.nearest(["ship", "Whale", "x2", "nowhere"], 3)
    expected = {"ship": reference("ship", 3), "Whale": reference("whale", 3)}
    assert found == expected | {"x2": reference("x2", 3)}


def test_more_neighbours_than_words():
    found = WordVectors(WORDS, VECTORS).nearest(["ship"], 50)["ship"]
    assert found == reference("ship", 50) and len(found) == 4


def test_the_first_of_equal_words_counts():
    vectors = WordVectors(["ship", "Ship", "boat", "oil"], [[1, 0], [0, 1], [0.9, 0.1], [0.1, 0.9]])
    assert vectors.nearest(["SHIP"], 1) == {"SHIP": ("boat",)}


def test_a_word_of_zeros_has_no_vector(tmp_path):
    """A cosine with it would be 0 for all words, and its neighbours the first ones of the file."""
    vectors = WordVectors(["the", "nil", "ship", "boat"], [[1, 0], [0, 0], [0, 1], [0.1, 1]])
    assert vectors.nearest(["nil", "ship"], 2) == {"ship": ("boat", "the")}
    assert vectors.of(["nil"]) == {}
    assert WordVectors(["nil", "x2"], [[0.0], [1.0]]).nearest(["nil", "x2"], 2) == {"x2": ()}


def test_words_are_divided_by_line_ends_alone(tmp_path):
    np.save(tmp_path / "vectors.npy", VECTORS[:4])
    words = "\ufeffthe\r\na\u0085b\r\nship\r\nboat\r\n"
    (tmp_path / "words.txt").write_bytes(words.encode())
    assert load_word_vectors(tmp_path / "vectors.npy").of(["the", "a\u0085b", "boat"]).keys() == {
        "the",
        "a\u0085b",
        "boat",
    }


def test_a_mark_of_utf8_stands_before_the_sizes(tmp_path):
    file = write(tmp_path, "word2vec")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_word_vectors(file).nearest(["ship"], 3) == {"ship": reference("ship", 3)}


def test_a_first_line_that_is_longer_than_what_is_looked_at(tmp_path):
    """Where the look at a file of word2vec ends within a number, it still is one of text."""
    file = tmp_path / "vectors.txt"
    for shift in range(5):
        row = " ".join(["-0.5"] * 4000)
        file.write_text(f"2 4000\n{'a' * (shift + 1)} {row}\nboat {row}\n")
        assert len(load_word_vectors(file)) == 2


def test_only_the_first_words_of_a_file_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(word_vectors, "MOST_WORDS", 4)
    for form in ("glove", "word2vec", "binary", "npy"):
        assert len(load_word_vectors(write(tmp_path, form))) == 4


def faulty(folder, name):
    file = folder / "vectors.txt"
    if name == "short line":
        file.write_text("ship 1 2 3\nboat 1 2\n")
    elif name == "long line":
        file.write_text("ship 1 2 3\nNew York 1 2 3\nboat 1 2 3 4\n")
    elif name == "other sizes":
        file.write_text("2 3 1\nship 1 2 3\nboat 1 2 3\n")
    elif name == "no numbers":
        file.write_text("a story of a ship\n")
    elif name == "empty":
        file.write_text("")
    elif name == "cut":
        file = write(folder, "binary")
        file.write_bytes(file.read_bytes()[:-20])
    elif name == "no words":
        file = write(folder, "npy")
        (folder / "vectors.txt").unlink()
    elif name == "other words":
        file = write(folder, "npy")
        (folder / "vectors.txt").write_text("ship\n")
    elif name == "no array":
        file = write(folder, "npy")
        file.write_bytes(b"ship")
    else:
        file = folder / "nowhere.txt"
    return file


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("short line", "line 2 is no word with 3 numbers"),
        ("long line", "line 3 is no word with 3 numbers"),
        ("other sizes", "line 2 is no word with 2 numbers"),
        ("no numbers", "line 1 is no word with 4 numbers"),
        ("empty", "is empty"),
        ("cut", "ends after 7 of 8 words"),
        ("no words", "put them into vectors.txt, one a line"),
        ("other words", r"the shape \(8, 4\), and vectors.txt 1 words"),
        ("no array", "is no array"),
        ("missing", "cannot be read: No such file"),
    ],
)
def test_faulty_files_are_refused_in_one_line(name, message, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        load_word_vectors(faulty(tmp_path, name))
    assert "\n" not in str(error.value) and "word_vectors=" in str(error.value)
