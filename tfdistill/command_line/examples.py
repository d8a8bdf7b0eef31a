"""Examples in memory, kept as the lines of a JSON file beside a run."""

import json
from collections.abc import Mapping

from tfdistill.data.labelled.hub import table_of
from tfdistill.run.directory import read_state
from tfdistill.system.errors import UserError


def json_lines(dataset, name):
    """Writes a data set as JSON lines.

    Args:
        dataset: iterable of dicts, `datasets.Dataset`, or `tf.data.Dataset` of dicts.
        name: of the argument that holds it, for messages.

    Returns:
        str, one JSON object per line.

    Raises:
        UserError: it is no data set, is empty, or holds what JSON has no words for.
    """
    lines = []
    for number, row in enumerate(_rows(dataset, name), 1):
        if not isinstance(row, Mapping):
            raise UserError(f"{name}: example {number} is a {type(row).__name__}: give dicts")
        try:
            lines.append(json.dumps({str(key): _plain(value) for key, value in row.items()}))
        except (TypeError, UnicodeDecodeError) as error:
            raise UserError(f"{name}: example {number} cannot be written: {error}") from None
    if not lines:
        raise UserError(f"{name} is empty")
    return "\n".join(lines) + "\n"


def require_same(output_dir, path, content, name):
    """Refuses other examples than those of the run that a folder holds.

    Args:
        output_dir: folder of the run.
        path: `Path` of the file with its examples.
        content: of `json_lines`.
        name: as for `json_lines`.

    Raises:
        UserError: the run was begun with others.
    """
    begun = path.is_file() and read_state(output_dir)["done"]
    if begun and path.read_text("utf-8") != content:
        raise UserError(
            f"output_dir={output_dir} holds a run with another {name}: name another output_dir, or "
            "give force=True to FineTunePipeline"
        )


def _rows(dataset, name):
    """Iterates over the examples of a data set."""
    if hasattr(dataset, "as_numpy_iterator"):
        return dataset.as_numpy_iterator()
    if getattr(dataset, "features", None) and hasattr(dataset, "iter"):
        return (row for _, row in table_of(name, dataset).rows)
    if isinstance(dataset, (str, bytes, Mapping)) or not hasattr(dataset, "__iter__"):
        cure = "give a list of dicts, a datasets.Dataset or a tf.data.Dataset"
        raise UserError(f"{name} is a {type(dataset).__name__}: {cure}")
    return iter(dataset)


def _plain(value):
    """A value of NumPy or TensorFlow as one of Python."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    for method in ("to_list", "tolist"):  # of ragged values, and of arrays
        if hasattr(value, method):
            return _plain(getattr(value, method)())
    return value
