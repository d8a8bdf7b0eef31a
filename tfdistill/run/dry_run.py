"""What a run would do: its models, steps, memory, disk and time. Nothing is trained or written."""

import numpy as np

from tfdistill.distillation.bound_terms import check_phase
from tfdistill.distillation.cached_signals import signals_to_cache
from tfdistill.distillation.drawn_parts import passes_in_step
from tfdistill.distillation.phases import ATTENTION_HEADS
from tfdistill.distillation.signals import TOKEN_ROWS, VOCABULARY_SIGNALS, RowSizes
from tfdistill.run.baselines import baseline_keys
from tfdistill.run.directory import STAGES
from tfdistill.run.fine_tuning import fine_tuning_steps
from tfdistill.run.plan import student_steps
from tfdistill.run.predicted_memory import FLOAT, ModelSize, StepSize, predicted_peak
from tfdistill.run.recipe_checks import split_steps
from tfdistill.tasks.prepared import steps_for
from tfdistill.training.checkpoints import KEPT_CHECKPOINTS

BYTES_OF_TOKEN = 4.2  # of English text, in WordPieces
MASKED = 0.16  # about the share of the tokens that is projected to the vocabulary
# What a step reaches of this machine's rate of products, at most and at least (PERFORMANCE.md).
QUICK, SLOW = 0.65, 0.25
OVERHEAD = 0.004  # seconds of a step that are no products
CHECKPOINT, EXPORTED = 3, 9 / FLOAT  # times the weights: with moments; SavedModel, float32, int8
RELATION_ARRAYS = 6  # of the scores of all relation heads
HEAD = "teacher's head"  # key of the steps in which a teacher gets one


class DryRun:
    """The estimates of a run, until the stage with which it ends.

    Args:
        context: the `RunContext`, planned, without teachers in memory.
        prepared: `PreparedData`, or None for a corpus that is not tokenised yet.

    `steps` is a dict of what is trained to its steps, None where they are unknown; `baselines` are
    the keys of the students without a teacher.
    """

    def __init__(self, context, prepared):
        self.context, self._config, self._plan = context, context.config, context.plan
        self._prepared, self._task = prepared, context.task
        self._teacher = self._size(self._plan.teacher_config)
        self._student = self._size(self._plan.student_config)
        baselines = baseline_keys(self._config, self._task)
        self.baselines = baselines if self.reaches("baselines") else {}
        self.steps = self._steps()

    def reaches(self, stage):
        """Whether the run ends with this stage or a later one."""
        last = self._config.stop_after or STAGES[-1]
        return STAGES.index(stage) <= STAGES.index(last)

    def _size(self, config):
        return config and ModelSize.of(config, self._parameters(config), self._config.length)

    @property
    def sizes(self):
        """dict of "teacher", where there is one, and "student" to their `ModelSize`s."""
        found = {"teacher": self._teacher, "student": self._student}
        return {name: size for name, size in found.items() if size}

    @property
    def guesses_steps(self):
        """Whether the steps of students follow from an estimate of the rows."""
        return not (self._prepared or self._config.steps)

    def is_ours(self, name):
        """Whether a name in `steps` is a student, with or without a teacher."""
        return name == "student" or name in self.baselines

    def _parameters(self, config):
        import keras

        # Variables without values: a large model takes no memory.
        with keras.StatelessScope(initialize_variables=False):
            model = self._task.model(config, None)
        return sum(int(np.prod(variable.shape)) for variable in model.variables)

    def _steps(self):
        """dict of what is trained to its steps; None where they are unknown."""
        config, plan, found = self._config, self._plan, {}
        if not self.reaches("teacher"):
            return found
        if plan.fine_tunes_teacher:
            found["teacher"] = fine_tuning_steps(self.context) * config.teacher_seeds
        else:
            if plan.gets_head:
                found[HEAD] = config.head_steps
            if plan.teacher_steps:
                found["teacher"] = plan.teacher_steps
        steps = config.steps or None
        if self._prepared:
            steps = student_steps(config, self._task, self._prepared.sources["train"])
        elif not steps and self.context.data.size:
            steps = steps_for(self._tokens() // (config.length - 2), config)
        found |= {"student": steps} if self.reaches("student") else {}
        return found | dict.fromkeys(self.baselines, steps)

    def _tokens(self):
        """Tokens of the text; None if unknown."""
        if self._prepared is None:
            size = self.context.data.size
            return size and round(size / BYTES_OF_TOKEN)
        ids = self._prepared.train_ids
        return len(ids) if ids is not None else None

    @property
    def _vocabulary(self):
        return 0 if self._task.kind else self._plan.student_config.vocab_size

    @property
    def _answered(self):
        """Whether the teacher's answers are stored, so that it does not run in the steps."""
        return bool(self._config.teacher_cache) or bool(self._task.kind) and not self._signals()

    def _step(self):
        config, machine = self._config, self.context.machine
        return StepSize(
            tokens=config.tokens_per_batch or config.batch_size * config.length,
            lengths=len(self._task.lengths(config)) if self._task.kind else 1,
            vocabulary=self._vocabulary,
            compiled=machine.jit_compile,
            sixteen_bits=machine.precision != "float32",
            remat=config.remat,
            signals=self._signals(),
        )

    def _terms(self):
        """The bound terms of each phase: a list of lists."""
        shapes = self._plan.student_config, self._plan.teacher_config
        return [check_phase(phase, *shapes) for phase in self._plan.recipe.phases]

    def _signals(self):
        """Numbers of the teacher that the losses of a phase keep for each token, at most."""
        if self._teacher is None:
            return 0
        shape, length = self._plan.teacher_config, self._config.length
        layers, found = shape.num_hidden_layers, [0]
        for terms in self._terms():
            terms = [term for term in terms if term.loss.needs_teacher]
            names, total = set().union(*(term.signals() for term in terms)), 0
            total += shape.hidden_size * (layers + 1) * bool(names & {"hidden_states"})
            scores = len(names & {"attention_scores", "attention_probs"})
            total += scores * layers * shape.num_attention_heads * length
            total += len(names & {"queries", "keys", "values"}) * layers * shape.hidden_size
            for term in terms:
                heads = term.options.get("relation_heads") or 0
                heads = shape.num_attention_heads if heads == ATTENTION_HEADS else heads
                total += RELATION_ARRAYS * heads * length * len(term.options.get("relations", ()))
            found.append(total)
        return max(found)

    @property
    def memory(self):
        """The peak memory of the run, in bytes."""
        step, teachers = self._step(), [self._teacher] * len(self._plan.teacher_names)
        if self._teacher and not teachers:
            teachers = [self._teacher]
        trainings = [(self._teacher, ())] if "teacher" in self.steps else []
        if "student" in self.steps:
            trainings.append((self._student, [] if self._answered else teachers))
        return predicted_peak(
            labelled=bool(self._task.kind),
            trainings=trainings,
            step=step,
            models=[*(teachers if self._answered else ()), self._student],
            exports=list(self.sizes.values()) if self.reaches("export") else [],
            students=1 + len(self.baselines),
        )

    @property
    def disk(self):
        """Bytes on disk while the run works, and of its results: (most, kept)."""
        models = list(self.sizes.values())
        largest = max(model.weights for model in models)
        students = (2 + len(self.baselines)) * self._student.weights  # and the start
        kept = students + sum(EXPORTED * model.weights for model in models)
        kept += (
            self._teacher.weights * max(1, len(self._plan.teacher_names)) if self._teacher else 0
        )
        if tokens := self._tokens():
            kept += tokens * (2 if self._plan.student_config.vocab_size <= 1 << 16 else 4)
        kept += self._cache_bytes()
        best = largest if self._task.kind else 0
        return round(kept + (KEPT_CHECKPOINTS + 1) * CHECKPOINT * largest + best), round(kept)

    def _cache_bytes(self):
        config, tokens = self._config, self._tokens()
        if not (config.teacher_cache and tokens):
            return 0
        masked = round(config.masked_lm_prob * config.length)
        shapes = self._plan.student_config, self._plan.teacher_config
        sizes = RowSizes(config.length, masked, shapes[1].hidden_size, shapes[0].vocab_size)
        cached = set().union(*signals_to_cache(self._plan.recipe, *shapes))
        arrays = [array for each in cached for array in each.arrays(sizes).values()]
        of_row = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in arrays)
        return of_row * tokens // (config.length - 2) * config.cached_mask_epochs

    def seconds(self, rate):
        """Seconds of all trainings: (at least, at most); None where steps are unknown.

        Args:
            rate: floating-point operations of products in a second.
        """
        if None in self.steps.values():
            return None
        total, count = 0.0, 0
        for name, steps in self.steps.items():
            tokens = self._task.tokens_in_step(self._examples(name), self._config)
            model, shape = self._student, self._plan.student_config
            if name in ("teacher", HEAD):
                model, shape = self._teacher, self._plan.teacher_config
            # The encoder of a teacher that gets a head is not trained.
            operations = (2 if name == HEAD else 6) * self._products(model, shape, name)
            if name == "student":
                operations *= self._passes(steps)
            if name == "student" and self._teacher and not self._answered:
                shape, teachers = self._plan.teacher_config, max(1, len(self._plan.teacher_names))
                operations += 2 * teachers * self._products(self._teacher, shape, name)
            total += steps * tokens * operations / rate
            count += steps
        return total / QUICK + OVERHEAD * count, total / SLOW + 3 * OVERHEAD * count

    def _examples(self, name):
        """The source of what a training learns from; None where it is not prepared yet."""
        if name == "teacher" and self._plan.fine_tunes_teacher:
            return self.context.teacher_splits.train
        return self._prepared and self._prepared.sources["train"]

    def _passes(self, steps):
        """Passes of the whole student in one of its steps, in the mean over the phases."""
        phases, shape = self._plan.recipe.phases, self._plan.student_config
        counts = zip(phases, split_steps(steps, phases), strict=True)
        return sum(n * passes_in_step(phase.parts, shape) for phase, n in counts) / steps

    def _products(self, model, shape, name):
        """Multiply-adds of a forward pass for one token."""
        tables = shape.vocab_size * getattr(shape, "embedding_size", shape.hidden_size)
        attention = 2 * shape.num_hidden_layers * self._config.length * shape.hidden_size
        share = MASKED if self._vocabulary else 0.0
        if name == "student" and any(
            VOCABULARY_SIGNALS & term.signals() == {TOKEN_ROWS}
            for terms in self._terms()
            for term in terms
        ):
            share = 1.0
        return max(model.parameters - tables, 0) + attention + share * tables
