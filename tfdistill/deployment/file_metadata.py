"""What a TFLite file says about its model: a JSON object in the file's metadata.

    task       Hugging Face's name of the task, with underscores; not for masked LM
    labels     the names of the classes or tags, in the order of the logits
    length     most tokens in a row
    pooling    what a classifier or sentence encoder reads: cls, mean or pooler; "" for other heads
    normalize  of a sentence encoder: whether its vectors have length 1
    answers    of question answering: may_abstain, doc_stride, max_answer_length (see `AnswerRules`)
    vocabulary SHA-256 of the tokens in the order of their ids, where the tokenizer was known

TensorFlow is not needed.
"""

import json
import mmap

import numpy as np

from tfdistill.deployment.flat_model import pack, unpack
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError

NAME = "tfdistill"
_KINDS = {"task": str, "labels": list, "length": int, "pooling": str, "normalize": bool}
_KINDS |= {"answers": dict, "vocabulary": str}


def describe_head(head, length):
    """The metadata of a model with a head.

    Args:
        head: a `SmallHead`.
        length: most tokens in a row.

    Returns:
        dict of JSON values.
    """
    found = {
        "task": head.task,
        "labels": list(head.labels),
        "length": length,
        "pooling": getattr(head, "pooling", ""),
    }
    if hasattr(head, "normalize"):
        found["normalize"] = head.normalize
    return found | ({"answers": head.answer_rules.values()} if head.answer_rules else {})


def add_metadata(content, values):
    """Adds a JSON object to a TFLite file.

    Args:
        content: bytes of the file.
        values: dict of JSON values.

    Returns:
        bytes of the new file.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(content)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(values, ensure_ascii=False).encode("utf-8"), np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = NAME.encode(), len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    return pack(model)


def read_metadata(path):
    """Reads the JSON object of a TFLite file.

    Args:
        path: the file, a model that LiteRT can open.

    Returns:
        dict; empty for a file without.

    Raises:
        UserError: the object is damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        model = schema.Model.GetRootAsModel(content, 0)
        for entry in map(model.Metadata, range(model.MetadataLength())):
            if entry.Name() == NAME.encode():
                data = model.Buffers(entry.Buffer()).DataAsNumpy()
                found = data.tobytes()
                del data  # the file is closed once no array looks at it
                return _checked(path, found)
    return {}


def _checked(path, text):
    try:
        found = strict_json.parse(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(
        isinstance(found.get(name, kind()), kind) for name, kind in _KINDS.items()
    ):
        raise UserError(f"{path}: what it says about its task is damaged: export it again")
    if not all(isinstance(label, str) for label in found.get("labels", ())):
        raise UserError(f"{path}: its labels are no texts: export it again")
    return found
