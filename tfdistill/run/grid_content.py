"""The JSON file of a grid: it is read, and the kinds of its values are checked."""

import json
from pathlib import Path

from tfdistill.run.directory import STAGES
from tfdistill.system.errors import UserError
from tfdistill.system.paths import cure_of

KEYS = frozenset(
    "description flags axes tables shared only leave_out minutes claims target overview".split()
)
CLAIM_KEYS = frozenset({"name", "better", "than", "metric", "model", "than_model"})
SHARED_KEYS = frozenset({"axes", "flags", "last_stage", "gives", "only", "counted"})
OVERVIEW_KEYS = "rows", "columns"
ENDS = [stage for stage in STAGES if stage not in ("answers", "baselines")]  # may have no part
REASON = "reason"  # the key of `leave_out` that is no axis


class GridError(Exception):
    """What is wrong with the content of a file."""


def names_in(value):
    """The names of an axis's values that stand in a rule: a list of them, or the only one."""
    return value if isinstance(value, list) else [value]


def read_content(path):
    """Reads the file of a grid.

    Args:
        path: the file.

    Returns:
        dict with some of `KEYS`, whose values are of the kinds that docs/EXPERIMENTS.md says; the
        names of axes and of flags are not checked.

    Raises:
        UserError: the file cannot be read, or is no JSON.
        GridError: a key is unknown or comes twice, or a value is of another kind.
    """
    try:
        content = json.loads(Path(path).read_text("utf-8-sig"), object_pairs_hook=_object)
    except OSError as error:
        raise UserError(f"`grid`={path}: {error.strerror}: {cure_of(error)}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"`grid`={path} is no JSON: {error}") from None
    _require_keys("the file", content, KEYS)
    for key in ("flags", "axes", "shared"):
        _require_object(f'"{key}"', content.get(key, {}))
    _require_texts('"tables"', content.get("tables", []))
    for name, shared in content.get("shared", {}).items():
        _check_shared(f"shared {name!r}", shared)
    for key in ("only", "leave_out"):
        _check_rules(key, content.get(key, []))
    _check_claims(content.get("claims", []))
    _check_cell('"target"', content.get("target", {}))
    overview = content.get("overview")
    if overview is not None:
        _check_cell('"overview"', overview)
        if sorted(overview) != sorted(OVERVIEW_KEYS):
            raise GridError('"overview": an axis for "rows" and one for "columns" are needed')
    minutes = content.get("minutes", 0)
    for each in minutes.values() if isinstance(minutes, dict) else [minutes]:
        if isinstance(each, bool) or not isinstance(each, int | float) or not 0 <= each:
            raise GridError(f'"minutes" is {each!r}: a number is needed')
    return content


def _object(pairs):
    """A dict; `json` itself keeps the last of equal keys alone."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise GridError(f"the key {twice!r} comes twice in an object")
    return found


def _check_shared(where, shared):
    _require_keys(where, shared, SHARED_KEYS)
    _require_texts(f'{where}: "axes"', shared.get("axes", []))
    gives = shared.get("gives", {})
    _require_object(f'{where}: "gives"', gives)
    _require_texts(f'{where}: the paths of "gives"', list(gives.values()))
    require_stage(where, shared.get("last_stage", ""))
    _require_object(f'{where}: "only"', shared.get("only", {}))
    for names in shared.get("only", {}).values():
        _require_texts(f'{where}: the values of "only"', names)
    if not isinstance(shared.get("counted", False), bool):
        raise GridError(f'{where}: "counted" is true or false')


def require_stage(where, stage):
    """Refuses the name of a stage that no run of a grid can end with.

    Args:
        where: what names it, for a message.
        stage: str; "" for a whole run.

    Raises:
        GridError: it is no stage, or one that leaves no mark when it is done.
    """
    if stage not in ("", *ENDS):
        raise GridError(f"{where}: there is no stage {stage!r}; the stages are {', '.join(ENDS)}")


def _check_claims(claims):
    if not isinstance(claims, list):
        raise GridError('"claims": a list of objects is needed')
    names = []
    for claim in claims:
        _require_keys('each part of "claims"', claim, CLAIM_KEYS)
        for key in ("name", "better", "than"):
            if key not in claim:
                raise GridError(f'"claims": {claim.get("name", claim)!r} has no {key!r}')
        for key in ("better", "than"):
            _check_cell(f'"claims": {key!r}', claim[key])
        others = [value for key, value in claim.items() if key not in ("better", "than")]
        _require_texts('"claims": names, metrics and models', others)
        names.append(claim["name"])
    if twice := [name for name in names if names.count(name) > 1]:
        raise GridError(f'"claims": {twice[0]!r} comes twice')


def _check_cell(where, cell):
    _require_object(where, cell)
    _require_texts(f"{where}: the values of axes", list(cell.values()))


def _check_rules(where, rules):
    if not isinstance(rules, list):
        raise GridError(f'"{where}": a list of objects is needed')
    for rule in rules:
        _require_object(f'each part of "{where}"', rule)
        for key, values in rule.items():
            names = [values] if key == REASON else names_in(values)
            _require_texts(f'"{where}": the values of axes and "reason"', names)


def _require_keys(where, content, known):
    _require_object(where, content)
    if unknown := sorted(content.keys() - known):
        raise GridError(
            f"{where}: unknown key {unknown[0]!r}; there are {', '.join(sorted(known))}"
        )


def _require_object(where, value):
    if not isinstance(value, dict):
        raise GridError(f"{where}: an object is needed")


def _require_texts(where, values):
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise GridError(f"{where}: a list of names in quotes is needed")
