"""Whether two finished folders are the same, to the bit but for times."""

import json
import re
import struct

# Keys of JSON objects that differ from run to run: times, sizes in memory, and words about them.
NOT_COMPARED = (
    *("seconds", "tokens_per_second", "wall_time", "memory", "date", "machine"),
    *("curve.jsonl", "sha256"),  # checksums of such content
    "minutes",
)
NUMBER = re.compile(r"[-+−]?\d[\d.,:]*( ?(%|ms|s|min|h|MB|GB|d)\b)?( \d+ (s|min)\b)?")
SUMS = "SHA256SUMS"
HEADER = struct.Struct("<QI")  # of a TensorBoard record: length of the event, checksum


def differences(one, other):
    """Compares two folders.

    Files of numbers and bytes must be equal; of JSON, the entries of `NOT_COMPARED` are left out;
    of text for people, the words, whatever numbers stand between them (they are in metrics.json);
    of SavedModels, the names of files, since TensorFlow numbers the functions of a graph by what
    the process made before. Checksums of such files are left out.

    Args:
        one, other: `Path`s.

    Returns:
        list of lines, one for each file that differs.
    """
    ours, theirs = _files(one), _files(other)
    found = [f"{name}: only in {one.name}" for name in sorted(ours - theirs)]
    found += [f"{name}: only in {other.name}" for name in sorted(theirs - ours)]
    for name in sorted(ours & theirs):
        first, second = _content(one / name), _content(other / name)
        if first != second:
            found.append(f"{name} differs{_where(first, second)}")
    curves = [_curves(each) for each in (one, other)]
    if curves[0] != curves[1]:
        found.append(f"TensorBoard's curves differ{_where(*curves)}")
    return found


def _files(folder):
    """Relative paths of the files to compare; locks hold nothing, events have a time as name."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("lock") and "tfevents" not in path.name
    }


def _content(path):
    if "saved_model" in path.parts or path.name == SUMS:
        return b""
    if path.suffix == ".json":
        return _without_times(json.loads(path.read_text("utf-8")))
    if path.suffix == ".jsonl":
        return [_without_times(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    if path.suffix in (".html", ".md", ".svg", ".log"):
        text = path.read_text("utf-8")
        text = re.sub(r"<svg.*?</svg>|data:image/[^\"]*", "", text, flags=re.S)
        return [NUMBER.sub("#", line) for line in text.splitlines()]
    return path.read_bytes()


def _without_times(value):
    if isinstance(value, dict):
        return {
            key: _without_times(each)
            for key, each in value.items()
            if not any(word in key for word in NOT_COMPARED)
        }
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def _curves(folder):
    """Points of all TensorBoard curves: dict of (folder, tag, step) to bytes; times left out."""
    from tensorboard.compat.proto.event_pb2 import Event

    found = {}
    for path in sorted(folder.rglob("*tfevents*")):
        data, place = path.read_bytes(), 0
        while place < len(data):
            length, _ = HEADER.unpack_from(data, place)
            place += HEADER.size
            event = Event.FromString(data[place : place + length])
            place += length + 4  # another checksum
            for value in event.summary.value:
                name = str(path.parent.relative_to(folder))
                text = value.SerializeToString()
                if "tokens" not in value.tag and "flags" not in name:
                    found[name, value.tag, event.step] = text
    return found


def _where(one, other):
    """Says which part of two contents is not the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            if one.get(key) != other.get(key):
                return f" at {key}{_where(one.get(key), other.get(key))}"
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        place = next((n for n, pair in enumerate(pairs) if pair[0] != pair[1]), None)
        if place is None:
            return f": {len(one)} and {len(other)} entries"
        return f" at {place}{_where(one[place], other[place])}"
    return f": {str(one)[:80]!r}, {str(other)[:80]!r}"
