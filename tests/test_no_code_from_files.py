"""No file that a stranger may hand over runs code: what the package imports and calls."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from tfdistill.models.hugging_face.checkpoint import describe_model
from tfdistill.system.arrays import open_array
from tfdistill.system.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
# Modules that make objects of what a file says, or run it.
MODULES = frozenset(
    "pickle _pickle cPickle dill cloudpickle joblib shelve marshal torch yaml runpy h5py".split()
)
CALLS = frozenset("eval exec compile __import__".split())
ATTRIBUTES = frozenset("Lambda exec_module popen enable_unsafe_deserialization".split())
WHOLE = {"np.load", "numpy.load", "keras.models.load_model", "os.system", "tf.saved_model.load"}
# Where code is loaded on purpose: a recipe that the user names on the command line, and packages
# by names that are written in the source.
LOADERS = {"recipes/user_file.py": "exec_module"}
# A SavedModel is a program. The converter reads the one that it has just written.
LOADERS |= {"deployment/tflite.py": "tf.saved_model.load"}


def sources():
    for path in sorted((ROOT / "tfdistill").rglob("*.py")):
        yield path.relative_to(ROOT / "tfdistill").as_posix(), ast.parse(path.read_text("utf-8"))


def found_in(tree):
    """What a module imports or calls that could run a file: a set of str."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] in MODULES}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} if node.module.split(".")[0] in MODULES else set()
        elif isinstance(node, ast.Name) and node.id in CALLS:
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found |= ({node.attr} & ATTRIBUTES) | ({ast.unparse(node)} & WHOLE)
        elif isinstance(node, ast.keyword):
            right = isinstance(node.value, ast.Constant) and node.value.value is False
            if node.arg in ("allow_pickle", "trust_remote_code", "shell") and not right:
                found.add(node.arg)
    return found


def test_no_module_runs_what_it_reads():
    found = {name: found_in(tree) for name, tree in sources()}
    found = {name: what for name, what in found.items() if what}
    assert found == {name: {what} for name, what in LOADERS.items()}


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from torch import load", "eval(text)", "np.load(path)"),
        *("keras.layers.Lambda(f)", "load(path, trust_remote_code=True)", "run(x, shell=flag)"),
        *("keras.models.load_model(path)", "import yaml.loader", "spec.loader.exec_module(module)"),
    ],
)
def test_the_check_finds(source):
    assert found_in(ast.parse(source))


def test_names_of_imported_modules_are_written_in_the_source():
    """`importlib.import_module` of a name from a file would run whatever lies on the path."""
    names = []
    for file, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                names.append((file, ast.unparse(node.args[0])))
    assert {file for file, name in names if not re.match(r"f?['\"]", name)} == {"system/devices.py"}
    assert {name for _, name in names if name.startswith("f")} == {"f'tfdistill.{name}'"}


def test_arrays_of_objects_are_refused(tmp_path):
    class Touch:
        def __reduce__(self):
            return Path.touch, (tmp_path / "touched",)

    np.save(tmp_path / "objects.npy", np.array([Touch()], object), allow_pickle=True)
    with pytest.raises(UserError, match="objects.npy holds no numbers"):
        open_array(tmp_path / "objects.npy")
    assert not (tmp_path / "touched").exists()


def test_arrays(tmp_path):
    """Right ones are read; the size in a header must be that of the file."""
    for order in "CF":
        array = np.asarray(np.arange(12, dtype=np.float16).reshape(3, 4), order=order)
        np.save(tmp_path / "array.npy", array)
        assert (open_array(tmp_path / "array.npy") == array).all()
    content = (tmp_path / "array.npy").read_bytes()
    (tmp_path / "array.npy").write_bytes(content.replace(b"(3, 4)", b"(9, 9)"))
    with pytest.raises(UserError, match="162 bytes, and 24 follow"):
        open_array(tmp_path / "array.npy")
    for changed in (b"(-1,4)", b"(0, 4)", b"(9**9)", b"x" * 6):
        (tmp_path / "array.npy").write_bytes(content.replace(b"(3, 4)", changed))
        with pytest.raises(UserError, match="array.npy"):
            open_array(tmp_path / "array.npy")


def test_pickled_weights_are_named_not_read(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n.")
    with pytest.raises(UserError, match="pytorch_model.bin, a pickle, which is not read"):
        describe_model(tmp_path)
