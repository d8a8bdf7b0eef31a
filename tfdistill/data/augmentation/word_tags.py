"""Parts of speech of English words, by the package textblob."""

from tfdistill.system.errors import UserError


def load_tagger():
    """Loads the tagger.

    It is the one of textblob that needs no further files: the most frequent tag of each word, and
    rules for endings and neighbours.

    Returns:
        A function of a list of words to a list of their tags, those of the Penn treebank.

    Raises:
        UserError: textblob is not installed.
    """
    try:
        from textblob.en import parser
    except ImportError:
        raise UserError(
            "`augmentation`=bilstm: parts of speech need the package textblob: pip install "
            "textblob, or set `augmentation_tag_probability`=0"
        ) from None

    def tags_of(words):
        return [tag for _, tag in parser.find_tags(list(words))] if words else []

    return tags_of
