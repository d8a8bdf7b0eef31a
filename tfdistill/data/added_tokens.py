"""Added tokens: the tokens that a tokenizer's files add to its words, as in transformers 5."""

import collections

from tokenizers import AddedToken

from tfdistill.data.tokenizer_files import ADDED, SETTINGS
from tfdistill.data.tokenizer_roles import BERT, DECODER, special_settings

_OTHER_ROLES = ("bos_token", "eos_token")
_FIELDS = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")


def add_tokens(files, backend, kind, roles=BERT):
    """Adds the tokens that the files of a folder declare, in transformers' order.

    Args:
        files: the `TokenizerFiles`; a note is added for tokens that are left out.
        backend: a `tokenizers.Tokenizer`, changed in place.
        kind: the class that reads the folder, for messages.
        roles: its special tokens, `Roles`; BERT's are all needed.

    Raises:
        UserError: a special token is missing or has not its role, or ids contradict each other.
    """
    settings, named = special_settings(files), roles.settings()
    for role, usual in named.items():
        if settings.get(role) and _content(settings[role]) != usual:
            raise files.error(
                f"its {role} is {_content(settings[role])}, but BERT's is {usual}: set `tokenizer` "
                "to another one"
            )
    with_role, extra = _special_tokens(settings, named)
    declared = _declared(files, settings, {_content(token) for token in (*with_role, *extra)})
    words = {token.content for token in declared.values()}
    needed = roles if roles == BERT else (roles.pad, roles.cls, roles.sep)
    lost = [t for t in needed if t and backend.token_to_id(t) is None and t not in words]
    if lost:
        who = "BERT needs" if roles == BERT else "a model needs"
        raise files.error(f"no {', '.join(lost)}, which {who}: set `tokenizer` to another one")
    there = backend.get_added_tokens_decoder().values()
    known = {repr(token) for token in there}
    new = [token for _, token in sorted(declared.items()) if repr(token) not in known]
    names = {token.content for token in (*there, *new)}
    for token in (*with_role, *named.values(), *extra):
        if _content(token) not in names:
            names.add(_content(token))
            new.append(_special(token))
    special = {*map(_content, with_role), *named.values()}
    for token in new:
        token.special = token.special or token.content in special
    backend.add_tokens(new)
    _check_ids(files, backend, declared)
    _name_left_out(files, backend, kind)


def _special_tokens(settings, named):
    """(tokens with a role, extra special tokens), as written in `tokenizer_config.json`."""
    extra = settings.get("extra_special_tokens") or settings.get("additional_special_tokens") or ()
    roles = [settings.get(role) for role in (*_OTHER_ROLES, *named)]
    tokens = [token for key, token in settings.items() if key.endswith("_token")]
    others = [token for token in tokens if isinstance(token, str) and token not in roles]
    if isinstance(extra, dict):
        others, extra = [*others, *extra.values()], ()
    return [token for token in (*roles, *others) if token], list(extra)


def _declared(files, settings, special):
    """dict of ids to the `AddedToken`s in the files that transformers reads."""
    if DECODER in settings:
        return {int(i): _added_token(token) for i, token in settings[DECODER].items()}
    found = {}
    for word, i in files.read(ADDED).items():
        found[i] = AddedToken(word, normalized=word not in special, special=word in special)
    for token in files.state.get("added_tokens", ()):
        found[token["id"]] = _added_token(token)
    return found


def _check_ids(files, backend, declared):
    for i, token in declared.items():
        given = backend.token_to_id(token.content)
        if given != i:
            raise files.error(
                f"its files give {token.content!r} the id {i}, but the next free id is {given}: "
                "correct the files, or set `tokenizer` to another one"
            )
    words = collections.defaultdict(list)
    for word, i in backend.get_vocab().items():
        words[i].append(word)
    for i, same in words.items():
        if len(same) > 1:
            raise files.error(
                f"{' and '.join(map(repr, sorted(same)))} have the same id, {i}: correct the "
                "files, or set `tokenizer` to another one"
            )


def _name_left_out(files, backend, kind):
    """Notes the words that a file adds but transformers does not read."""
    words = [token["content"] for token in files.state.get("added_tokens", ())]
    added = {token.content for token in backend.get_added_tokens_decoder().values()}
    left_out = [word for word in (*words, *files.read(ADDED)) if word not in added]
    if left_out:
        files.note(
            f"{', '.join(left_out)} is added by one file and missing in {DECODER} of {SETTINGS}: "
            f"left out, as a {kind} of transformers 5 does"
        )


def _content(token):
    return token if isinstance(token, str) else token["content"]


def _special(token):
    if isinstance(token, str):
        return AddedToken(token, special=True)
    return _added_token({**token, "special": True})


def _added_token(token):
    return AddedToken(**{field: token[field] for field in _FIELDS if field in token})
