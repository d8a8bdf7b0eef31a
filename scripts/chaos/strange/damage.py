"""Damages the content of files: bytes, lines, JSON values, headers of safetensors, FlatBuffers.

Each damage is a function of a random generator (the methods of `random.Random`) and of bytes to
bytes. The generator may be Hypothesis's, so that a failing case becomes smaller.
"""

import json
import struct

# Numbers at the ends of types, and just beyond the sizes that files have.
NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 65535, 65536, 1 << 20, (1 << 31) - 1, 1 << 31)
VALUES = (
    *(None, True, False, 0, 1, -1, 2, 3, 0.5, -0.0, 1e308, 10**9, 2**31, 2**63, 10**30),
    *("", " ", "x", "0", "a b", "\u202eabc", "\x00", "\ud800", "<script>alert(1)</script>", "=1+1"),
    *(
        "../../outside",
        "/etc/hostname",
        "..",
        ".",
        "~",
        "hf:x/y",
        "[MASK]",
        "[PAD]",
        "nan",
        "é" * 40,
    ),
    *([], {}, [[]], [None], ["x"], [1, 2], {"": None}, {"x": 1}, [0, -1, 2**63]),
)
TEXTS = (
    *(b"", b"\x00", b"\n", b"\r\n", b"\r", b"\t", b",", b";", b'"', b'""', b"\xff", b"\xc3", b" "),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xe2\x80\xae",
        b"\xe2\x80\xa8",
        b"\x1a",
        b"--",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"null",
        b"NaN",
        b"1e999",
        b"-1",
        b"../",
        b"O",
        b"B-",
        b"[PAD]",
    ),
    *(b"<doc id=", b"= A =", b"--flagfile=", b"<script>", b"\\ud800", b"9" * 400),
)


def flip(draw, content):
    """Changes single bits and bytes."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 4) if changed else 0):
        place = draw.randrange(len(changed))
        changed[place] = draw.choice((changed[place] ^ (1 << draw.randrange(8)), 0, 255))
    return bytes(changed)


def cut(draw, content):
    """Takes a stretch out, or all behind a place."""
    begin = draw.randint(0, len(content))
    end = draw.choice((len(content), min(len(content), begin + draw.randint(1, 64))))
    return content[:begin] + content[end:]


def insert(draw, content):
    """Puts strange text, or a stretch of the content itself, somewhere."""
    place, begin = draw.randint(0, len(content)), draw.randint(0, len(content))
    new = draw.choice((*TEXTS, content[begin : begin + draw.randint(1, 200)]))
    return content[:place] + new * draw.choice((1, 1, 1, 2, 50)) + content[place:]


def number(draw, content):
    """Writes a little-endian number of 4 or 8 bytes at a multiple of 4."""
    if len(content) < 8:
        return insert(draw, content)
    changed, wide = bytearray(content), draw.choice((False, False, True))
    place = 4 * draw.randrange(len(content) // 4 - wide)
    near = draw.choice((0, 1, -1, 4, -4, len(content), 1 << 16))
    (now,) = struct.unpack_from("<I", content, place)
    value = draw.choice((*NUMBERS, 0xFFFFFFFF, now + near, len(content)))
    struct.pack_into("<Q" if wide else "<I", changed, place, value % (1 << (64 if wide else 32)))
    return bytes(changed)


def lines(draw, content):
    """Repeats, drops, swaps, joins and empties lines, and changes their ends."""
    parts = content.split(b"\n")
    for _ in range(draw.randint(1, 3)):
        place, other = draw.randrange(len(parts)), draw.randrange(len(parts))
        kind = draw.randrange(7)
        if kind == 0:
            parts.insert(other, parts[place])
        elif kind == 1 and len(parts) > 1:
            del parts[place]
        elif kind == 2:
            parts[place], parts[other] = parts[other], parts[place]
        elif kind == 3:
            parts[place] += b" " + parts[other]
        elif kind == 4:
            parts[place] = draw.choice(TEXTS)
        elif kind == 5:
            parts[place] += b"\r"
        else:
            parts[place] = insert(draw, parts[place])
    return draw.choice((b"\n", b"\n", b"\n", b"\r\n", b"\r")).join(parts)


def values(draw, content):
    """Changes the values and keys of a JSON file, or of the lines of a file of JSON."""
    try:
        return _text(_changed(draw, json.loads(content))).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        pass
    parts = content.split(b"\n")
    place = draw.randrange(len(parts))
    try:
        found = _text(_changed(draw, json.loads(parts[place])))
    except (ValueError, RecursionError):
        return lines(draw, content)
    parts[place] = found.encode("utf-8", "surrogatepass")
    return b"\n".join(parts)


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)


def _changed(draw, value):
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        value = _changed_once(draw, value)
    if draw.randrange(60) == 0:
        return "[" * 100_000
    return value


def _changed_once(draw, value):
    """A value with one change at a place of its tree."""
    inside = isinstance(value, dict | list) and value and draw.randrange(8)
    if not inside:
        return draw.choice(VALUES)
    if isinstance(value, dict):
        key = draw.choice(sorted(value))
        kind = draw.randrange(8)
        if kind == 0:
            return {name: each for name, each in value.items() if name != key}
        if kind == 1:
            return {**value, draw.choice(("", "x", "../x", "\x00", key + "x")): value[key]}
        if kind == 2 and isinstance(value[key], int) and not isinstance(value[key], bool):
            return {**value, key: value[key] + draw.choice((1, -1, 10**6, 10**12))}
        return {**value, key: _changed_once(draw, value[key])}
    place = draw.randrange(len(value))
    if draw.randrange(6) == 0:
        return [*value, *value[place:]]
    return [*value[:place], _changed_once(draw, value[place]), *value[place + 1 :]]


def header(draw, content):
    """Changes the header of a safetensors file, whose length stays right, or that length."""
    if len(content) < 8:
        return insert(draw, content)
    (size,) = struct.unpack_from("<Q", content)
    text, rest = content[8 : 8 + size], content[8 + size :]
    text = draw.choice((values, values, flip, insert, cut))(draw, text)
    length = draw.choice((len(text),) * 8 + (0, len(text) + 1, 1 << 40, (1 << 64) - 1))
    return struct.pack("<Q", length) + text + rest


def metadata(draw, content):
    """Changes the JSON object in a TFLite file, which keeps its length."""
    begin = content.find(b'{"task"')
    end = content.rfind(b"}", begin) + 1
    changed = draw.choice((values, values, flip))(draw, content[begin:end])
    return content[:begin] + changed[: end - begin].ljust(end - begin) + content[end:]


OF_TEXT = (flip, cut, insert, lines, lines)
OF_JSON = (values, values, values, values, flip, cut, insert)
OF_NUMBERS = (flip, cut, number, number, insert)
OF_TENSORS = (header, header, header, flip, cut, number)
