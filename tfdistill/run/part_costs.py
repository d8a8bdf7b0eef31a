"""What the parts of a super-student cost: parameters, bytes of the int8 file, milliseconds."""

import dataclasses
import math
from typing import Any

from tfdistill.deployment.latency_model import LatencyModel
from tfdistill.deployment.operators import POOLER, VOCABULARY
from tfdistill.reports.front import BYTES, LATENCY, PARAMETERS
from tfdistill.run.advice_shapes import Size
from tfdistill.system.errors import UserError

FLAGS = {BYTES: "size_mb", PARAMETERS: "parameters_m", LATENCY: "latency_ms"}  # of bounds


@dataclasses.dataclass(frozen=True)
class Latency:
    """A latency model, and the file whose latency is asked for.

    Args:
        model: `LatencyModel`.
        length: tokens in a row of the file.
        variant: "float32" or "int8".
        threads: CPU threads.
    """

    model: LatencyModel
    length: int
    variant: str
    threads: int

    @classmethod
    def of(cls, config, lengths, folder):
        """The latency model that the settings name.

        Args:
            config: a `RunConfig`.
            lengths: of the rows of a part's file.
            folder: of the super-student.

        Returns:
            `Latency`; None if `latency_table` is empty.

        Raises:
            UserError: the table cannot be read, or a setting needs one.
        """
        length = config.latency_length or config.length
        if config.latency_table:
            if length not in lengths:
                known = ", ".join(map(str, lengths))
                raise UserError(
                    f"`latency_length`={length} is no length of the part's file, which has {known}:"
                    " give one of these, or set `tflite_lengths`"
                )
            model = LatencyModel.read(config.latency_table)
            return cls(model, length, config.latency_variant, config.latency_threads)
        if config.latency_ms or config.objective == "latency":
            asked = f"`latency_ms`={config.latency_ms:g}" if config.latency_ms else ""
            command = TABLE_COMMAND.format(length=length, folder=folder)
            raise UserError(
                f"{asked or '`objective`=latency'} needs a table of latencies: make one with "
                f"{command} and name it with `latency_table`"
            )
        usual = type(config)()
        for name in ("latency_length", "latency_variant", "latency_threads"):
            if (value := getattr(config, name)) != getattr(usual, name):
                raise UserError(
                    f"`{name}`={value} is for a `latency_table`: name one, or leave it out"
                )
        return None

    def described(self, rows, vocabulary):
        """dict for JSON.

        Args:
            rows: of the parts that were tried (see `run.trials.Trials`).
            vocabulary: words in the super-student's vocabulary.

        Returns:
            dict; "error" is that of the table on shapes that it was not fitted to, "below" has the
            smallest sizes in the table of which parts have smaller ones, and "chip" is the
            processor that was timed ("" if the table does not say).
        """
        least = {name: min(row["shape"][name] for row in rows) for name in rows[0]["shape"]}
        asked = {"length": self.length, "variant": self.variant, "threads": self.threads}
        error = next(
            (fit.get("error") for fit in self.model.table["fits"] if asked.items() <= fit.items()),
            None,
        )
        found = asked | {"kind": self.model.kind, "table": self.model.name, "error": error}
        found |= {"chip": self.model.chip}
        return found | {"below": self.model.below(least | {"vocabulary": vocabulary})}


TABLE_COMMAND = (
    "python -m tfdistill.benchmark `build_latency_table`=latency.json `tokens`={length} "
    "`table_largest`={folder}"
)


@dataclasses.dataclass(frozen=True)
class PartCosts:
    """The costs of the parts of a super-student.

    Args:
        whole: EncoderConfig of the super-student.
        lengths: lengths of the rows in exported files.
        head: what its head has: `operators.VOCABULARY`, `operators.POOLER`, or "" for one that
            reads all tokens and has no large matrices.
        outputs: numbers that a head without a vocabulary gives.
        latency: `Latency`, or None.
    """

    whole: Any
    lengths: tuple
    head: str
    outputs: int
    latency: Latency | None = None

    @classmethod
    def of(cls, model, lengths, latency):
        """The costs of the parts of a model.

        Args:
            model: `Model` with a head, the super-student.
            lengths, latency: as above.
        """
        head, kind = model.head, ""
        if head.has_vocabulary:
            return cls(model.config, lengths, VOCABULARY, 0, latency)
        if getattr(head, "pooler", None) is not None:
            kind = POOLER
        return cls(model.config, lengths, kind, head.dense.bias.shape[0], latency)

    def __call__(self, shape):
        """The costs of a `PartShape`: dict of "parameters", "int8_bytes" and, with a table,
        "latency_ms"."""
        config = shape.config(self.whole)
        size = Size.of(config)
        found = {
            PARAMETERS: self._parameters(size),
            BYTES: size.int8_bytes(self.lengths, self.head),
        }
        if self.latency is not None:
            found[LATENCY] = self.latency.model.milliseconds(
                config,
                length=self.latency.length,
                variant=self.latency.variant,
                threads=self.latency.threads,
                head=self.head,
            )
        return found

    def _parameters(self, size):
        if self.head == VOCABULARY:
            return size.masked_lm_parameters
        pooler = size.width**2 + size.width if self.head == POOLER else 0
        return size.parameters + pooler + self.outputs * (size.width + 1)


def bounds_of(config):
    """The bounds that the settings set.

    Args:
        config: a `RunConfig`.

    Returns:
        dict of names of costs to the largest number; only those that are bounded.
    """
    bounds = {
        BYTES: max(1, round(1e6 * config.size_mb)),
        PARAMETERS: max(1, round(1e6 * config.parameters_m)),
        LATENCY: config.latency_ms,
    }
    return {name: most for name, most in bounds.items() if getattr(config, FLAGS[name])}


def share_of_bounds(costs, bounds):
    """How much of the tightest bound a part takes.

    Args:
        costs: dict of a part.
        bounds: of `bounds_of`.

    Returns:
        float, over 1 for a part outside a bound; nan without bounds.
    """
    return max((costs[name] / most for name, most in bounds.items()), default=math.nan)
