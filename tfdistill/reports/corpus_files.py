"""The files of a corpus, for the terminal and for JSON."""

import os

from tfdistill.data.documents import SPLITS

NAMES = 12  # of files shown for a split, and for a reason to leave files out


def format_files(corpus):
    """Writes which files each split is read from, and what is left out.

    Args:
        corpus: a `Corpus`.

    Returns:
        Lines, as one str; "" for a data set of the hub.

    Example:
        train: 2 files in texts: moby.txt, train.txt
        validation: 1 file in texts: valid.txt
        test: cut from train
        left out of texts: notes.pdf (no suffix of text)
    """
    if not corpus.files:
        return ""
    lines = []
    for split in SPLITS:
        paths = corpus.files.get(split, [])
        if paths:
            folder = os.path.commonpath([path.parent for path in paths])
            count = f"{len(paths):,} file{'s' * (len(paths) > 1)}"
            lines.append(f"{split}: {count} in {folder or '.'}: {_names(paths, folder)}")
        else:
            lines.append(f"{split}: cut from train")
    if corpus.left_out:
        folder = os.path.commonpath([path.parent for path in corpus.left_out])
        reasons = {}
        for path, why in corpus.left_out.items():
            reasons.setdefault(why, []).append(path)
        named = [f"{_names(paths, folder)} ({why})" for why, paths in reasons.items()]
        lines.append(f"left out of {folder or '.'}: {'; '.join(named)}")
    return "\n".join(lines)


def files_json(corpus):
    """The same for a program.

    Args:
        corpus: a `Corpus`.

    Returns:
        {"files": dict of splits to lists of paths, "left_out": dict of paths to reasons}.
    """
    files = {split: [str(path) for path in paths] for split, paths in corpus.files.items()}
    return {
        "files": files,
        "left_out": {str(path): why for path, why in corpus.left_out.items()},
    }


def _names(paths, folder):
    names = [os.path.relpath(path, folder or ".") for path in paths[:NAMES]]
    more = [f"and {len(paths) - NAMES:,} more"] if len(paths) > NAMES else []
    return ", ".join(names + more)
