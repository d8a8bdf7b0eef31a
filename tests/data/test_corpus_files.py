"""The files of a corpus that are read, and their splits."""

import gzip

import pytest

from tfdistill.data.corpus_files import find_files, name_splits
from tfdistill.system.errors import UserError


def touch(folder, *names, text="text"):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def splits(folder, *names):
    """Splits of files with these names: dict of splits to sets of names."""
    touch(folder, *names)
    named = name_splits(find_files(str(folder)).folders)
    return {
        split: {path.relative_to(folder).as_posix() for path in paths}
        for split, paths in named.items()
    }


def left_out(folder, spec=None):
    found = find_files(spec or str(folder)).left_out
    return {path.relative_to(folder).as_posix(): why for path, why in found.items()}


@pytest.mark.parametrize(
    "name",
    [
        "{}.txt", "{}", "{}.tokens", "{}.raw", "{}.md", "{}.jsonl", "{}.json.gz", "{}.txt.bz2",
        "{}-00000-of-00002.txt", "{}_3.txt", "{}.00001.txt", "{}1.txt", "{}.txt.00",
        "{}.00000-of-01024.json.gz",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "word, split",
    [
        ("valid", "validation"), ("validation", "validation"), ("val", "validation"),
        ("DEV", "validation"), ("test", "test"), ("Test", "test"),
    ],
)  # fmt: skip
def test_the_words_of_splits(tmp_path, name, word, split):
    (tmp_path / "moby.txt").write_text("text")
    text = gzip.compress(b"text") if name.endswith(".gz") else b"text"
    (tmp_path / name.format(word)).write_bytes(text)
    named = name_splits(find_files(str(tmp_path)).folders)
    assert named == {
        "train": [tmp_path / "moby.txt"],
        split: [tmp_path / name.format(word)],
    }


@pytest.mark.parametrize(
    "name", ["wiki.{}.tokens", "en-{}.txt", "my_{}_2.txt", "{}.en.txt", "the {}.txt", "c4-{}.jsonl"]
)
def test_a_frame_that_two_splits_share(tmp_path, name):
    files = {word: name.format(word) for word in ("train", "valid", "test")}
    assert splits(tmp_path, *files.values(), "moby.txt") == {
        "train": {files["train"], "moby.txt"},
        "validation": {files["valid"]},
        "test": {files["test"]},
    }


def test_titles_are_no_splits(tmp_path):
    titles = {
        "night-train.epub.txt",
        "acid-test.epub.txt",
        "ocean.epub.txt",
        "Test.of.Time.txt",
        "my-test-notes.txt",
        "contest.txt",
        "latest.txt",
        "en_dev.txt",
    }
    assert splits(tmp_path, *titles) == {"train": titles}
    assert splits(tmp_path, "train.txt") == {"train": titles | {"train.txt"}}


def test_what_two_folders_share_is_not_shared(tmp_path):
    books = {"a/night-train.txt", "b/night-test.txt"}
    assert splits(tmp_path, *books) == {"train": books}
    assert splits(tmp_path, "a/night-dev.txt") == {
        "train": books,
        "validation": {"a/night-dev.txt"},
    }


def test_folders_named_for_splits(tmp_path):
    assert splits(tmp_path, "train/pos/1.txt", "Test/2.txt", "test/deep/3.txt", "4.txt") == {
        "train": {"train/pos/1.txt", "4.txt"},
        "test": {"Test/2.txt", "test/deep/3.txt"},
    }


def test_the_folder_that_is_named_is_no_split(tmp_path):
    assert splits(tmp_path / "test", "1.txt", "dev.txt") == {
        "train": {"1.txt"},
        "validation": {"dev.txt"},
    }


@pytest.mark.parametrize("spec", ["{0}/train,{0}/dev/,{0}/Test", "{0}/*"])
def test_folders_of_splits_that_are_named_themselves(tmp_path, spec):
    touch(tmp_path, "train/1.txt", "train/deep/2.txt", "dev/3.txt", "Test/4.txt", "Test/train.txt")
    files = {
        "train": {"train/1.txt", "train/deep/2.txt", "Test/train.txt"},
        "validation": {"dev/3.txt"},
        "test": {"Test/4.txt"},
    }
    named = name_splits(find_files(spec.format(tmp_path)).folders)
    assert {key: set(paths) for key, paths in named.items()} == {
        key: {tmp_path / name for name in names} for key, names in files.items()
    }


def test_one_folder_of_a_split_beside_others_is_text(tmp_path):
    """A book may be in a folder named test."""
    touch(tmp_path, "test/1.txt", "more/2.txt")
    named = name_splits(find_files(f"{tmp_path}/test,{tmp_path}/more").folders)
    assert named == {"train": [tmp_path / "test" / "1.txt", tmp_path / "more" / "2.txt"]}


def test_without_training_text_names_mean_nothing(tmp_path):
    assert splits(tmp_path, "valid.txt", "test.txt") == {"train": {"valid.txt", "test.txt"}}


def test_a_list_shares_a_prefix_over_folders(tmp_path):
    touch(tmp_path, "a/wiki.train.tokens", "b/wiki.valid.tokens")
    spec = f"{tmp_path}/a/wiki.train.tokens, {tmp_path}/b/wiki.valid.tokens"
    assert name_splits(find_files(spec).folders) == {
        "train": [tmp_path / "a" / "wiki.train.tokens"],
        "validation": [tmp_path / "b" / "wiki.valid.tokens"],
    }


def test_all_kinds_of_text_in_a_folder_are_read(tmp_path):
    names = {"a.txt", "B.TXT", "c.md", "AA/wiki_00", "d.tokens", "e.raw", "f.text", "part.00001"}
    assert splits(tmp_path, *names) == {"train": names}
    assert left_out(tmp_path) == {}


def test_whatever_is_left_out_has_a_reason(tmp_path):
    touch(tmp_path, "a.txt", "b.csv", "c.html.gz", "README.md", "LICENSE", ".git/objects/1", ".x")
    touch(tmp_path, "a.txt.gz", "info.json", text='{\n "splits": 3\n}\n')
    (tmp_path / "program").write_bytes(b"\x7fELF\0\0")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    assert left_out(tmp_path) == {
        "b.csv": "no suffix of text",
        "c.html.gz": "no suffix of text",
        "README.md": "about the data",
        "LICENSE": "about the data",
        ".git": "hidden",
        ".x": "hidden",
        "a.txt.gz": "also there unpacked",
        "info.json": "one JSON object, no rows",
        "program": "no text",
        "gone.txt": "no file",
    }
    assert list(find_files(str(tmp_path)).folders) == [tmp_path / "a.txt"]


def test_what_is_named_is_read_whatever_it_is_called(tmp_path):
    touch(tmp_path, "README.md", "notes.xyz", "a.txt")
    for spec in ("{0}/README.md,{0}/notes.xyz", "{0}/[Rn]*"):
        found = find_files(spec.format(tmp_path))
        assert list(found.folders) == [tmp_path / "README.md", tmp_path / "notes.xyz"]
        assert found.left_out == {}
    assert left_out(tmp_path, f"{tmp_path},{tmp_path}/README.md") == {
        "notes.xyz": "no suffix of text"
    }


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.HTML", "a.xml.gz"])
def test_tables_and_markup_are_refused_by_name(tmp_path, name):
    touch(tmp_path, name)
    with pytest.raises(UserError, match=f"{name}: a table or markup.*.jsonl"):
        find_files(str(tmp_path / name))


def test_globs_lists_and_what_is_named_twice(tmp_path):
    touch(tmp_path, "a/one.txt", "a/b/two.tokens", "c/three.txt", "d.x")
    for spec, expected in {
        "{}/a/*.txt": "one.txt",
        "{}/**/*.txt": "one.txt three.txt",
        "{}/a": "two.tokens one.txt",
        "{0}/c,{0}/d.x": "three.txt d.x",
        "{0}/c, {0}/d.x": "three.txt d.x",
        "{0}/d.x,{0}/*.x,{0}/a/../d.x": "d.x",
    }.items():
        found = find_files(spec.format(tmp_path)).folders
        assert " ".join(path.name for path in found) == expected, spec


def test_linked_folders_are_read_once_and_loops_end(tmp_path):
    touch(tmp_path / "elsewhere", "1.txt")
    touch(tmp_path / "texts", "2.txt")
    (tmp_path / "texts" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "texts" / "loop").symlink_to(tmp_path / "texts")
    found = find_files(str(tmp_path / "texts")).folders
    assert [path.name for path in found] == ["2.txt", "1.txt"]


def test_a_folder_without_text_says_what_is_there(tmp_path):
    touch(tmp_path, "a.pdf", "README.md")
    with pytest.raises(UserError, match="only README.md .about the data., a.pdf .no suff"):
        find_files(str(tmp_path))
