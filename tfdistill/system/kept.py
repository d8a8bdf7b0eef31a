"""Folders of computed files that are kept between runs: each is made once."""

import hashlib
import json
import shutil
from pathlib import Path

from tfdistill.system import strict_json
from tfdistill.system.files import folder_aside, locked
from tfdistill.system.sums import file_digest

MANIFEST = "manifest.json"  # of each folder
PARTS = ".parts"  # ends the name of the folder of an unfinished one


def parts_folder(folder):
    """Where `make` of a `kept_folder` may store what a stop shall leave; missing until it does.

    Args:
        folder: `Path`, the argument of `make`.
    """
    return folder.with_name(f"{folder.name}{PARTS}")


def kept_folder(root, identity, make, waiting=None):
    """Returns the folder of files that depend on `identity` alone; a missing one is made.

    A folder is named by the digest of its identity. Its manifest holds the identity and the SHA-256
    of each file; a folder that does not have these files is made again.

    Args:
        root: folder of all folders of this kind; created if missing.
        identity: dict of what the files depend on, such as digests of a model and of its data; its
            values are written as JSON.
        make: function of an empty folder that writes the files into it. What it stores in
            `parts_folder` stays there when it is stopped, until the folder is made.
        waiting: function without arguments, called if another process is making the folder.

    Returns:
        `pathlib.Path` of the folder.

    Raises:
        OSError: it could not be written.
    """
    name = hashlib.sha256(json.dumps(identity, sort_keys=True, indent=1).encode()).hexdigest()[:16]
    path = Path(root) / name
    if _is_whole(path, identity):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f"{name}.lock"), waiting=waiting):
        if not _is_whole(path, identity):  # another run may have made it in the meantime
            with folder_aside(path) as aside:
                make(aside)
                digests = {file.name: file_digest(file) for file in sorted(aside.iterdir())}
                manifest = json.dumps({"identity": identity, "sha256": digests}, indent=1)
                (aside / MANIFEST).write_text(manifest + "\n", "utf-8")
            shutil.rmtree(parts_folder(aside), ignore_errors=True)
    return path


def _is_whole(path, identity):
    """Whether a folder holds the files of its manifest, made from this identity."""
    try:
        manifest = strict_json.parse((path / MANIFEST).read_bytes())
        return manifest["identity"] == json.loads(json.dumps(identity)) and all(
            file_digest(path / name) == digest for name, digest in manifest["sha256"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
