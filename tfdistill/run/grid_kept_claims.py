"""The claims that a grid had before its runs: kept in its folder, and compared with those of now.

Claims that come or go after results are known change how much each of them proves. Nothing is
refused; the results say it.
"""

import datetime

from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import locked, write_atomically

FILE = "claims.json"
CURE = "restore it, or delete it; the claims of now are kept then"
KINDS = {"date": str, "runs_made": int, "claims": list}


def keep_claims(found, folder, runs_made):
    """Keeps the claims of a grid if its folder has none yet, and says what has changed since.

    Args:
        found: list of its `Claim`s.
        folder: `pathlib.Path` of the grid.
        runs_made: how many of its runs are finished.

    Returns:
        A line for the results; "" if the claims were kept before the first run and are the same.

    Raises:
        UserError: the file of the kept claims is damaged.
    """
    file, now = folder / FILE, [claim.as_kept() for claim in found]
    lock = folder / "locks" / "claims.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock):
        if not file.is_file():
            date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            content = {"date": date, "runs_made": runs_made, "claims": now}
            write_atomically(file, strict_json.dumps(content, indent=1, seal=True) + "\n")
    kept = strict_json.read_object(file, KINDS, CURE)
    if not all(isinstance(each, dict) and "name" in each for each in kept["claims"]):
        raise UserError(f"{file} is damaged: {CURE}")
    return _line(kept, now)


def _line(kept, now):
    changes, late = _changes(kept["claims"], now), kept["runs_made"]
    claims = kept["claims"] or now
    if not claims or not (changes or late):
        return ""
    when = f"when {late} of the runs were made" if late else "before the first run"
    lead = f"claims were kept on {kept['date'][:10]}, {when}"
    return f"{lead}; since then: {', '.join(changes)}" if changes else lead


def _changes(before, now):
    """What was added, dropped and changed: list of str."""
    before, now = ({each["name"]: each for each in claims} for claims in (before, now))
    changed = []
    for name in before.keys() & now.keys():
        pair = before[name], now[name]
        # Claims that were kept by an older version have no names of runs.
        keys = [key for key in sorted(pair[0]) if pair[0][key] != pair[1].get(key)]
        if len(keys) > 1 and "runs" in keys:  # the others say why
            keys.remove("runs")
        changed += [f"changed {name!r} ({', '.join(keys)})"] * bool(keys)
    added = [f"added {name!r}" for name in now if name not in before]
    dropped = [f"dropped {name!r}" for name in before if name not in now]
    return [*added, *dropped, *sorted(changed)]
