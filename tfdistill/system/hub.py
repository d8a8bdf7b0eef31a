"""Downloads from the Hugging Face hub."""

import re
from pathlib import Path

from tfdistill.system.errors import UserError

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def require_model_name(name, setting=""):
    """Refuses what is neither a folder nor can be the name of a model on the hub.

    Args:
        name: str.
        setting: the setting that names it, for messages; "" for none.

    Raises:
        UserError: it is a file, or a path where nothing is.
    """
    path, named = Path(name), f"`{setting}`: " if setting else ""
    if path.is_file():
        raise UserError(f"{named}{path} is a file: give the directory that holds its config.json")
    inside_file = any(each.is_file() for each in path.parents)
    if not path.is_dir() and (inside_file or not _HUB_NAME.fullmatch(name)):
        raise UserError(
            f"{named}no such directory: {name}: give a Hugging Face directory or a hub name"
        )


def require_on_hub(name, setting):
    """Refuses a model that is neither a folder nor on the hub, before anything slow begins.

    Args:
        name: str; of a name on the hub, config.json is downloaded.
        setting: the setting that names it, for messages.

    Raises:
        UserError: it could not be downloaded.
    """
    if not Path(name).is_dir():
        downloaded(f"`{setting}`", name, ["config.json"])


def downloaded(what, name, patterns):
    """Downloads files of a repository, unless they are in the hub's cache.

    Args:
        what: what the repository is asked for, such as "tokenizer"; for the message.
        name: "name" or "organisation/name".
        patterns: list of file names, which may hold "*".

    Returns:
        `pathlib.Path` of the folder with the files.

    Raises:
        UserError: they could not be downloaded.
    """
    import huggingface_hub  # slow to import, and only downloads need it

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except Exception as error:  # the hub's, the HTTP library's or the system's
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{what} {name}: no such folder, and it could not be downloaded from the hub: {reason} "
            "(check the name and the network, or give a folder)"
        ) from error
