"""Flagfiles: files with one flag per line, given by path; bundled ones also by name."""

from pathlib import Path

from tfdistill.system.errors import UserError

BUNDLED = Path(__file__).parent.parent / "configs"
_WORDS = ("-flagfile", "--flagfile")


def bundled():
    """Lists the flagfiles that ship with the package.

    Returns:
        dict of names, such as "mini", to `Path`s, sorted by name.
    """
    return {path.stem: path for path in sorted(BUNDLED.glob("*.flags"))}


def purpose(path):
    """What a bundled flagfile is for: its first line, a comment.

    Args:
        path: `Path` of the file.
    """
    with path.open(encoding="utf-8") as lines:
        return next(lines).removeprefix("#").strip()


def expand(words):
    """Replaces each word that names a flagfile by the flags in the file.

    Args:
        words: list of str, the words of a command line.

    Returns:
        list of str without `--flagfile`; a later flag overrides an earlier one.

    Raises:
        UserError: a flagfile is missing, cannot be read, or names itself.
    """
    return _expand(words, ())


def _expand(words, reading):
    expanded, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":  # the rest are not flags
            return [*expanded, word, *rest]
        flag, equals, value = word.partition("=")
        if flag not in _WORDS:
            expanded.append(word)
            continue
        if not equals and not rest:
            raise UserError("--flagfile is empty: name a file, or one of " + ", ".join(bundled()))
        path = _find(value if equals else rest.pop(0))
        if path in reading:
            raise UserError(f"--flagfile={path} names itself: take that line out of it")
        expanded += _expand(_lines(path), (*reading, path))
    return expanded


def _find(name):
    path = Path(name.strip()).expanduser()
    if path.is_file():
        return path.resolve()
    known = bundled().get(name.strip().removesuffix(".flags"))
    if known is None:
        wrong = "is a folder" if path.is_dir() and name.strip() else "there is no such file"
        raise UserError(
            f"--flagfile={name}: {wrong}: name a file, or a bundled one: {', '.join(bundled())}"
        )
    return known


def _lines(path):
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UserError(f"--flagfile={path} cannot be read: {reason}") from None
    lines = [line.strip() for line in lines]
    return [line for line in lines if line and not line.startswith(("#", "//"))]
