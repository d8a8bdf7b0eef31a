"""Data sets of the Hugging Face hub, or folders that the package `datasets` reads."""

import logging

from tfdistill.system.errors import UserError

PREFIX = "hf:"  # of a setting that names one


def load_hub_set(name, config, named, cure):
    """Loads a data set.

    Args:
        name: name on the hub, or a folder.
        config: name of the configuration; "" for the only one.
        named: the setting and its value, for messages.
        cure: what else may help if it cannot be loaded, for messages.

    Returns:
        `datasets.DatasetDict`.

    Raises:
        UserError: it cannot be loaded.
    """
    try:
        import datasets
    except ImportError:
        raise UserError(f"{named}: needs the datasets package: pip install datasets") from None
    hub_log = logging.getLogger("huggingface_hub")  # logs every attempt
    level = hub_log.level
    try:
        hub_log.setLevel(logging.ERROR)
        return datasets.load_dataset(name, config or None)
    except Exception as error:  # datasets raises dozens of types
        reason = " ".join(str(error).split())
        message = f"{named}: could not be downloaded from the hub ({reason}): {cure}"
        raise UserError(message) from None
    finally:
        hub_log.setLevel(level)
