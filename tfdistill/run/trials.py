"""The parts that a search tried, which a stopped search reads again."""

import json
import math

from tfdistill.models.part_shapes import PartShape
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically


class Trials:
    """Measures parts, and stores what was measured.

    Args:
        file: where it is stored, after each trial.
        identity: dict of everything that decides the values.
        measure: function of a `PartShape` to its value of the metric.
        costs: the `PartCosts`.
        goal: the `Goal`.
        progress: function of (trials, line for the progress).

    Attributes:
        rows: list of dicts, one for each trial: "shape", the metric's key, and the costs.

    Raises:
        UserError: the file is damaged.
    """

    def __init__(self, file, identity, measure, costs, goal, progress):
        self._file, self._identity, self._measure = file, identity, measure
        self._costs, self._goal, self._progress = costs, goal, progress
        self.rows, self._known = [], _stored_values(file, identity)

    def score(self, shape):
        """The goal's score of a part: less is better."""
        known, metric = self._known.get(shape), self._goal.metric
        value = self._measure(shape) if known is None else known
        self.rows.append({"shape": shape._asdict(), metric.key: value, **self._costs(shape)})
        if known is None:
            self._known[shape] = value
            self._store()
        best = metric.text(min(self.rows, key=self._goal.score))
        line = f"{metric.name} {metric.text({metric.key: value})}  best {best} {metric.unit}"
        self._progress(len(self.rows), line.rstrip())
        return self._goal.score(self.rows[-1])

    def _store(self):
        values = [[*shape, value] for shape, value in self._known.items()]
        content = {"identity": self._identity, "values": values}
        write_atomically(self._file, strict_json.dumps(content) + "\n")


def _stored_values(file, identity):
    """Values of an earlier search with the same models and data; {} without."""
    if not file.is_file():
        return {}
    cure = "delete it, and the parts are measured again"
    stored = strict_json.read_object(file, {"identity": dict}, cure)
    if stored["identity"] != json.loads(json.dumps(identity)):
        return {}
    try:
        return {
            PartShape(*sizes): math.nan if value is None else float(value)
            for *sizes, value in stored["values"]
        }
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{file} is damaged: {cure}") from None
