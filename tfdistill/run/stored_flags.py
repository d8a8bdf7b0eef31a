"""The settings of an earlier run, as they are meant in another folder."""

import os

from tfdistill.run.directory import RunPaths, stored_folder
from tfdistill.settings.flagfile import parse_flag_lines
from tfdistill.system.paths import seen_from


def stored_flags(path, options):
    """Reads the flags.txt of a run.

    Args:
        path: the run's folder.
        options: dict of the names of settings to `Option`s.

    Returns:
        dict of names to values as text, of the settings that both have; {} without the file. Paths
        relative to the folder that the run's command was given in are absolute.
    """
    file = RunPaths(path).flags
    if not file.is_file():
        return {}
    stored, folder = (
        parse_flag_lines(file.read_text("utf-8", "replace").splitlines()),
        stored_folder(file.parent),
    )
    return {
        name: as_meant_in(name, text, folder, options[name])
        for name, text in stored.items()
        if name in options
    }


def as_meant_in(name, text, folder, option):
    """Converts a setting that was given in another folder for use in this one.

    Args:
        name: the setting.
        text: its value as text.
        folder: where it was given; "" if that is unknown.
        option: its `Option`.

    Returns:
        str: paths relative to `folder` become absolute.
    """
    from tfdistill.data.corpus import is_named

    if not option.path or not os.path.isdir(folder) or os.path.samefile(folder, os.curdir):
        return text
    if name == "shards_dir":  # it may not exist yet
        return os.path.join(folder, text)
    if name == "corpus" and is_named(text):
        return text
    return seen_from(text, folder, option.separator)
