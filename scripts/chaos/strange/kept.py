"""What tfdistill keeps between runs: makers of valid folders, and readers of damaged ones."""

import tempfile
from pathlib import Path

import numpy as np


def shards(words, text):
    """A prepared corpus."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        _write_words(folder, words)
        (folder / "text.txt").write_text(text)
        directory = _prepare(folder).directory
        files = {f"shards/{directory.name}/{p.name}": p.read_bytes() for p in directory.iterdir()}
    return files | {"vocabulary/vocab.txt": "\n".join(words).encode(), "text.txt": text.encode()}


def _write_words(folder, words):
    (folder / "vocabulary").mkdir()
    (folder / "vocabulary" / "vocab.txt").write_text("\n".join(words))


def _prepare(folder):
    from tfdistill.data.corpus import open_corpus
    from tfdistill.data.shards import prepare
    from tfdistill.data.tokenizer import load_tokenizer

    corpus = open_corpus(str(folder / "text.txt"))
    return prepare(corpus, load_tokenizer(str(folder / "vocabulary")), folder / "shards")


def read_shards(folder):
    """Opens a prepared corpus, which is made again where it is damaged."""
    prepared = _prepare(folder)
    assert isinstance(prepared.warnings, list)
    for split in ("train", "validation", "test"):
        shard = prepared.shard(split)
        assert len(shard.ids) > len(shard.offsets) > 0 and len(shard.counts)


def row_store():
    """A teacher cache of 6 rows."""
    from tfdistill.data.row_store import RowStore

    with tempfile.TemporaryDirectory() as folder:
        store = RowStore(Path(folder), "logits", (6, 3), np.float16)
        store.write(np.arange(4), np.ones((4, 3)))
        store.mark()
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def read_row_store(folder):
    """Reads the rows of a teacher cache that are marked and sound; they must be right."""
    from tfdistill.data.row_store import RowStore

    store = RowStore(folder, "logits", (6, 3), np.float16)
    store.find_damaged(np.ones(6, bool))
    assert (store.read(np.flatnonzero(store.there)) == 1).all()


IDENTITY = {"teacher": "a", "data": "b"}


def answers():
    """A teacher's kept answers."""
    with tempfile.TemporaryDirectory() as folder:
        _kept(Path(folder))
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _kept(folder):
    from tfdistill.data.labelled.answers import kept_answers

    return kept_answers(folder, IDENTITY, lambda *_: np.ones((5, 2), np.float32))


def read_answers(folder):
    """Opens kept answers, which are made again where they are damaged; they must be right."""
    assert (np.asarray(_kept(folder)) == 1).all()


class _Variable:
    """As much of a Keras variable as a checkpoint needs."""

    def __init__(self, shape, value):
        self.shape, self.value = shape, np.full(shape, value, np.float32)

    def numpy(self):
        return self.value

    def assign(self, value):
        self.value = np.asarray(value, np.float32)


def _variables(value):
    shapes = {"weights/0": (4, 3), "moments/0": (4, 3), "step": ()}
    return {name: _Variable(shape, value) for name, shape in shapes.items()}


def checkpoint():
    """Two checkpoints of a stage."""
    from tfdistill.training.checkpoints import StageState

    with tempfile.TemporaryDirectory() as folder:
        state = StageState(folder, "student")
        for step in (10, 20):
            state.rows.append({"step": step, "loss": 1.0})
            state.unlogged.add({"loss": 2.0}, 1)
            state.save(step, _variables(1), 3.5)
        files = (Path(folder) / "student").iterdir()
        return {f"student/{path.name}": path.read_bytes() for path in files}


def read_checkpoint(folder):
    """Goes on from a checkpoint, whose values must be right."""
    from tfdistill.training.checkpoints import StageState

    state, variables = StageState(folder, "student"), _variables(0)
    step, seconds = state.restore(variables)
    assert step in (10, 20) and seconds == 3.5
    assert all((variable.value == 1).all() for variable in variables.values())
    state.load_rows()
