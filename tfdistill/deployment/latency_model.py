"""A latency model: the milliseconds of a shape, as a sum of the costs of its operators.

A table, which the command `benchmark` writes, is JSON:

    {"format": 1,
     "kind": "cpu",               what the milliseconds are: "cpu", thread CPU time of the calling
                                  thread here, or "wall", the time of the clock on a phone
     "machine": {"chip": …, "instruction_sets": […], "flags": …, "cores": …, "litert": …},
     "smallest": {"layers": …, "width": …, "intermediate": …, "heads": …, "head_size": …,
                  "vocabulary": …}, "largest": {…},                      of the timed shapes
     "fits": [{"variant": "int8", "length": 32, "threads": 1,
               "milliseconds": {"layer": …, …},       of a unit of each term of `operators.work_of`
               "error": {"shapes": 20, "median": 0.02, "worst": 0.07, "mean": …},    of unseen ones
               "error_of_fitted": {…}, "shares": {"layer": 0.1, …}, "apart": …}],
     "rounds": 30,                runs of each file in all passes; a phone's table does not say it
     "times": [{"shape": …, "unseen": …, "variant": …, "length": …, "threads": …,
                "milliseconds": …, "wall_ms": …, "predicted": …, "apart": …}]}

"apart" is null for a phone, whose files are timed in one pass.
"""

import math
from pathlib import Path

from tfdistill.deployment.operators import VOCABULARY, work_of
from tfdistill.system import strict_json
from tfdistill.system.errors import UserError

FORMAT = 1
CPU, WALL = "cpu", "wall"
ROUNDS = 30  # of tables that do not say it, by default
SIZES = "layers", "width", "intermediate", "heads", "head_size", "vocabulary"


class LatencyModel:
    """Predicts the latency of shapes that were never exported.

    Args:
        table: dict, the content of a table (see this module).
        name: of its file, for messages.

    Attributes:
        kind: "cpu" or "wall".
        chip: name of the processor that was timed; "" if the table does not say.
        rounds: timed runs of each file.
        table: the dict.

    Raises:
        UserError: the table has another format.

    Example:
        from tfdistill import EncoderConfig
        from tfdistill.deployment.latency_model import LatencyModel

        model = LatencyModel.read("latency.json")
        student = EncoderConfig(
            hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512
        )
        model.milliseconds(student, length=32, variant="int8", threads=1)
    """

    def __init__(self, table, name="table"):
        if not isinstance(table, dict) or table.get("format") != FORMAT:
            raise UserError(f"{name} is no latency table of this version: make another")
        self.table, self.name = table, name
        self.kind, self.chip = table["kind"], table["machine"].get("chip", "")
        self.rounds = int(table.get("rounds", ROUNDS))
        if self.rounds < 1:
            raise ValueError("files that were not timed")
        self._fits = {_key(each): _costs(each) for each in table["fits"]}
        ends = ({name: int(table[end][name]) for name in SIZES} for end in ("smallest", "largest"))
        self._smallest, self._largest = ends

    @classmethod
    def read(cls, path):
        """Reads a table.

        Args:
            path: its file.

        Returns:
            `LatencyModel`.

        Raises:
            UserError: there is no such file, or it is no table.
        """
        try:
            return cls(strict_json.parse(Path(path).read_bytes()), str(path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            raise UserError(
                f"`latency_table`={path}: no latency table can be read there: name another file"
            ) from None

    def milliseconds(self, config, *, length, variant, threads, head=VOCABULARY):
        """The latency of a shape.

        Args:
            config: `EncoderConfig` of a BERT or DistilBERT.
            length: tokens in a row of the file.
            variant: "float32" or "int8".
            threads: CPU threads.
            head: as for `operators.work_of`.

        Returns:
            float.

        Raises:
            UserError: the table has no such length, variant or number of threads, or no shapes
                as large as this one; or it was made by another version.
        """
        costs = self._fits.get((variant, length, threads))
        if costs is None:
            known = "; ".join(map(_in_words, self._fits))
            raise UserError(
                f"{self.name} has no times for {_in_words((variant, length, threads))}, but for "
                f"{known}: choose one of these, or make another table"
            )
        self._require_covered(config)
        work = work_of(config, length, head, variant)
        if unknown := costs.keys() - work.keys():
            raise UserError(
                f"{self.name} has costs of another version ({', '.join(sorted(unknown))}): make "
                "another table"
            )
        return sum(cost * work[name] for name, cost in costs.items())

    def below(self, sizes):
        """Where a shape is smaller than all that were timed, so that its latency is extrapolated.

        Args:
            sizes: dict, as `sizes_of` returns.

        Returns:
            dict of the names of such sizes to the smallest ones that were timed.
        """
        return {name: least for name, least in self._smallest.items() if sizes[name] < least}

    def _require_covered(self, config):
        for name, size in sizes_of(config).items():
            if size > (most := self._largest[name]):
                raise UserError(
                    f"{self.name} has shapes of at most {most} {name}, not {size}: make a table "
                    "of larger ones"
                )


def sizes_of(config):
    """The sizes of a model that a table has bounds for.

    Args:
        config: `EncoderConfig`.

    Returns:
        dict of `SIZES`.
    """
    sizes = (
        *(config.num_hidden_layers, config.hidden_size, config.intermediate_size),
        *(config.num_attention_heads, config.head_size, config.vocab_size),
    )
    return dict(zip(SIZES, sizes, strict=True))


def _key(fit):
    return str(fit["variant"]), int(fit["length"]), int(fit["threads"])


def _costs(fit):
    """dict of names to milliseconds; raises `ValueError` where no shape would take time."""
    costs = {name: float(cost) for name, cost in fit["milliseconds"].items()}
    if not costs or not all(0 < cost < math.inf for cost in costs.values()):
        raise ValueError("no cost, or one that is no positive number")
    return costs


def _in_words(key):
    variant, length, threads = key
    return f"{variant} files of {length} tokens on {threads} thread{'s' if threads > 1 else ''}"
