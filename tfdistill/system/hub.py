"""Downloads from the Hugging Face hub."""

from pathlib import Path

from tfdistill.system.errors import UserError


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
