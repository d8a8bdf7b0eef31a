"""TFLite files that `export_tflite` wrote, run by LiteRT, without TensorFlow."""

import contextlib
import functools
import mmap
from pathlib import Path

import numpy as np

from tfdistill.deployment import weight_cache
from tfdistill.deployment.file_check import require_sound
from tfdistill.deployment.file_metadata import read_metadata
from tfdistill.deployment.parts_file import parts_in
from tfdistill.deployment.signatures import EMBEDDING, LOGITS, only, read_signatures, table_rows
from tfdistill.models.part_grid import FULL
from tfdistill.system.errors import UserError
from tfdistill.system.files import refuse_lfs_pointer
from tfdistill.system.quiet import quiet_native_output
from tfdistill.system.sums import check_sums

TOKEN_TYPES = "token_type_ids"


class LiteModel:
    """A TFLite file of one or several lengths. A text takes the shortest one that holds it.

    LiteRT prepares a length when it is used first.

    Args:
        path: the file.
        threads: CPU threads to run on.
        weights: folder in which LiteRT's packed weights are kept (see `weight_cache`), so that a
            file of several lengths loads faster and takes less memory; None: they are not kept.
        checked: whether the file is compared with its checksum, if its folder has one, and its
            structure is checked (see `file_check`); False for a file that was checked before.
        part: the part of the model, in a file of several (see `parts_file`); "": the whole one.

    Attributes:
        lengths: tuple of the lengths of rows, ascending.
        length: most tokens in a row.
        output_name: "logits"; of a sentence encoder "embedding".
        output_shape: shape of this output for the longest row, a tuple.
        outputs: its numbers for a prediction; for masked LM the tokens in the vocabulary.
        metadata: dict of what the file says about its task (see `file_metadata`); may be empty.
        input_names: frozenset of the names of the inputs.

    Raises:
        UserError: the file is missing, damaged, or was not written by `export_tflite`.
    """

    def __init__(self, path, threads=1, weights=None, checked=True, part=""):
        self.path, self._threads, self._weights = Path(path), threads, weights
        if not self.path.is_file():
            raise UserError(f"{path}: no such file; name a .tflite file")
        refuse_lfs_pointer(path)
        if checked:
            check_sums(self.path)
            self._read(functools.partial(require_sound, path))  # before LiteRT follows its numbers
        self._whole = self._open(model_path=str(path))
        part = self._read(functools.partial(_chosen_part, path=self.path, part=part))
        if part:
            self._weights = None  # LiteRT would prepare all parts
        self._signatures = self._read(functools.partial(read_signatures, part=part))
        self._runners, self._has_others = {}, len(self._signatures) > 1 or bool(part)
        if not self._signatures:
            raise UserError(
                f"{path} was not written by tfdistill.export for LiteRT: name student.tflite of an "
                "export folder, or export again"
            )
        self.lengths = tuple(self._signatures)
        self.length = self.lengths[-1]
        longest = self._signatures[self.length]
        self.input_names = frozenset(longest.inputs)
        self.output_name = LOGITS if LOGITS in longest.outputs else EMBEDDING
        self.output_shape = longest.outputs[self.output_name]
        self.outputs = self.output_shape[-1]

    @functools.cached_property
    def metadata(self):
        return read_metadata(self.path)

    def require_tokenizer(self, tokenizer):
        """Refuses the tokenizer of a model with another vocabulary.

        Args:
            tokenizer: a `TextTokenizer`.

        Raises:
            UserError: the file's table of words has another length, or the file was exported with
                other words.
        """
        if rows := self._read(table_rows):
            tokenizer.require_table(rows, self.path)
        if self.metadata.get("vocabulary") not in (None, tokenizer.vocabulary_hash):
            raise UserError(
                f"`tokenizer`: its tokens, or their order, are not those that {self.path} was "
                "exported with: use the tokenizer that the model was trained with"
            )

    def logits(self, inputs, length=None):
        """Predicts for one text: the output `output_name` of `run`; arguments as there."""
        return self.run(inputs, length)[self.output_name]

    def run(self, inputs, length=None):
        """Runs the model on one text.

        Args:
            inputs: dict of the inputs' names to int arrays of one row, such as `input_ids` and
                `attention_mask`, with padding to `length` or more; `token_type_ids` are 0 when left
                out, and ignored by a file that has none.
            length: one of `lengths`; None: the shortest that holds the text.

        Returns:
            dict of `logits` and, for named classes, `probabilities`, or of `embedding`: float32
            without the batch's axis, such as (1, vocab) for masked LM. Outputs of tokens have
            `length` rows.

        Raises:
            UserError: the row is too long or has too little padding, or LiteRT cannot run the file.
        """
        length = length or self.length_for(inputs["attention_mask"])
        rows = self.rows_of(inputs, length)
        try:
            return {name: found[0] for name, found in self._runner(length)(rows).items()}
        except (ValueError, RuntimeError) as error:
            if "gather index" in "".join([str(error), *getattr(error, "__notes__", ())]):
                raise UserError(
                    f"{self.path}: its vocabulary lacks a token of the text: set `tokenizer` to "
                    "the one that it was exported with"
                ) from error
            raise UserError(f"{self.path} does not run in LiteRT ({error}): export it again") from (
                error
            )

    def rows_of(self, inputs, length):
        """What LiteRT is given for a text.

        Args:
            inputs: as for `run`.
            length: one of `lengths`.

        Returns:
            dict of the inputs' names to int32 arrays of one row, (1, n).

        Raises:
            UserError: the file has no such length.
        """
        shapes = self.signature(length).inputs
        given = {name: row for name, row in inputs.items() if name != TOKEN_TYPES}
        if TOKEN_TYPES in shapes:
            given[TOKEN_TYPES] = inputs.get(TOKEN_TYPES, np.zeros(shapes[TOKEN_TYPES], np.int32))
        ends = {name: shape[1] for name, shape in shapes.items()}
        return {
            name: np.asarray(row, np.int32).reshape(1, -1)[:, : ends.get(name)]
            for name, row in given.items()
        }

    def length_for(self, attention_mask):
        """The shortest of `lengths` that holds a text.

        Args:
            attention_mask: int (n,), 1 for tokens and 0 for padding behind them.

        Raises:
            UserError: the text is longer than all of them.
        """
        places = np.flatnonzero(attention_mask)
        tokens = int(places[-1]) + 1 if len(places) else 1
        for length in self.lengths:
            if length >= tokens:
                return length
        raise UserError(
            f"{self.path} takes texts of at most {self.length} tokens, this one has {tokens}: "
            "shorten it"
        )

    def signature(self, length):
        """The `Signature` of one of `lengths`; a `UserError` for another."""
        if length not in self._signatures:
            known = ", ".join(map(str, self.lengths))
            raise UserError(f"{self.path} has no rows of {length} tokens, but of {known}")
        return self._signatures[length]

    def prepare(self, length):
        """Prepares a length before it is used first; for what it raises see `run`.

        Args:
            length: one of `lengths`.
        """
        self._runner(length)

    def _runner(self, length):
        """The function that runs a length: of a dict of rows to one of outputs; prepared once."""
        if length not in self._runners:
            signature = self.signature(length)
            with self._readable(), quiet_native_output():
                self._runners[length] = (
                    weight_cache.prepare(self._compiled, signature)
                    if self._compiled
                    else self._prepare(signature)
                )
        return self._runners[length]

    @functools.cached_property
    def _compiled(self):
        """The file with kept weights; None for one length, or where weights are not kept."""
        if self._weights is None or len(self.lengths) == 1:
            return None
        return weight_cache.open_compiled(self.path, self._threads, self._weights)

    def _prepare(self, signature):
        interpreter = self._whole
        if self._has_others:
            content = self._read(functools.partial(only, index=signature.index))
            interpreter = self._open(model_content=content)
        interpreter.allocate_tensors()
        runner = interpreter.get_signature_runner(signature.name)
        inputs, outputs = (
            {name: tensor["index"] for name, tensor in details.items()}
            for details in (runner.get_input_details(), runner.get_output_details())
        )

        def run(rows):  # as the runner, which allocates the tensors again each time
            if rows.keys() != inputs.keys():
                raise ValueError(f"the inputs are not {sorted(inputs)}")
            for name, row in rows.items():
                interpreter.set_tensor(inputs[name], row)
            interpreter.invoke()
            return {name: interpreter.get_tensor(index) for name, index in outputs.items()}

        return run

    def _open(self, **source):
        from ai_edge_litert.interpreter import Interpreter

        with self._readable(), quiet_native_output():
            return Interpreter(num_threads=self._threads, **source)

    def _read(self, read):
        """What a function of the file's memory map returns."""
        with (
            self._readable(),
            open(self.path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return read(content)

    @contextlib.contextmanager
    def _readable(self):
        """Errors of LiteRT in the body are those of a damaged file."""
        try:
            yield
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{self.path} is no readable TFLite file: export it again") from error


def _chosen_part(content, path, part):
    """The part that is opened: the named one, or the whole model; "" for a file of one model."""
    parts = parts_in(content)
    if not part:
        return FULL if parts else ""
    if part not in parts:
        has = f"the parts {', '.join(parts)}: name one" if parts else "no parts: leave it out"
        raise UserError(f"`part`={part}: {path} has {has}")
    return part
