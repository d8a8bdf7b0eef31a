"""The main job by its stages: text, teacher, student, distillation, evaluation, export, report."""

import contextlib
import dataclasses
import itertools
import json
import os
import time
from pathlib import Path

from tfdistill import recipes
from tfdistill.data.batches import EvaluationBatches, Rows, TrainingBatches, evaluation_rows
from tfdistill.data.corpus import open_corpus
from tfdistill.data.shards import prepare
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment.parity import ParityError
from tfdistill.distillation.cached_signals import kept_for
from tfdistill.models.hugging_face.checkpoint import load_model, save_model
from tfdistill.models.model import MaskedLanguageModel
from tfdistill.reports.corpus_files import format_files
from tfdistill.reports.table import format_statistics, format_table
from tfdistill.reports.tensorboard import RunWriter, markdown_table
from tfdistill.run import plan, sources
from tfdistill.run.baselines import KEYS, baselines_of
from tfdistill.run.checks import split_steps, without_meaning
from tfdistill.run.facts import describe_run, reads_teacher
from tfdistill.run.final_stages import FinalStages, Text
from tfdistill.run.student_start import make_start, random_student, student_from_text
from tfdistill.run.teacher_cache import open_cache
from tfdistill.run.trainer import StageTrainer, TrainingStage
from tfdistill.settings.flagfile import flag_lines, parse_flag_lines
from tfdistill.starts.from_text import start_from_text
from tfdistill.system import devices, hardware
from tfdistill.system.errors import UserError
from tfdistill.system.files import write_atomically
from tfdistill.system.stopping import postponed
from tfdistill.training.checkpoints import RunDirectory
from tfdistill.training.evaluation import evaluate

NOTHING_CHANGED = "nothing of the run was changed"
VALIDATION_BATCHES = 16  # enough for a curve; the table uses the whole test split


class MainJob:
    """One run, from its flags to its report; each stage is skipped when it is already done.

    Args:
        config: a `RunConfig`.
        console: a `Console`.
        machine: a `devices.Choice`.
        corpus: the `Corpus`, where it is open already (see `early_checks`).
    """

    def __init__(self, config, console, machine, corpus=None):
        self.corpus = corpus
        self.config, self.console, self.machine = config, console, machine
        self._begun = False
        self.strategy = devices.strategy(machine)
        self.path = Path(config.output_dir)
        plan.require_even_batches(config, machine.replicas)
        self.recipe = recipes.get(config.recipe, **dataclasses.asdict(config))
        defaults = plan.settings(type(config)())
        self.run_directory = RunDirectory(
            self.path, plan.settings(config), force=config.force, defaults=defaults
        )
        names = sources.teacher_names(config)
        if names and self.run_directory.done("teacher"):
            # What they were made from may be gone by now.
            names = [str(folder) for folder in self._teacher_folders(len(names))]
        with self._training():
            self.loaded_teachers = [load_model(name) for name in names]
        self.tokenizer = load_tokenizer(sources.tokenizer_source(config, names))
        sources.require_the_teachers_vocabulary(config, names, self.tokenizer)
        self.plan = plan.make_plan(config, self.recipe, self.loaded_teachers, self.tokenizer)
        self.recipe = self.plan.recipe
        self.trainer = StageTrainer(
            config,
            self.path,
            console,
            validation_loss=self._validation_loss,
            machine=machine,
        )

    def run(self):
        """Runs what is left to do.

        Returns:
            (metrics, failure): what `metrics.json` holds; and, when the int8 file is not what it
            should be and everything else is there, the `ParityError`, else None.
        """
        if self.run_directory.done("report"):
            self.console.say(f"{self.path} is finished; --force would start it over")
        else:
            try:
                self._run_stages()
            finally:
                self.run_directory.release()
        metrics = json.loads((self.path / "metrics.json").read_text())
        self.console.say(format_table(metrics))
        self.console.say(f"report: {self.path / 'report.html'}")
        failure = self.run_directory.done("export")["failure"]
        return metrics, ParityError(failure) if failure else None

    def _run_stages(self):
        self._read_corpus()
        with self._training():
            teachers = self._make_teachers()
            start = self._make_start(teachers)
            self._make_students(teachers, start)
        self._finish_results()

    def left(self):
        """What a stop leaves, in words: where the same command goes on."""
        done = ", ".join(self.run_directory.facts("seconds"))
        if not (self._begun and done):
            return NOTHING_CHANGED
        command = "the same command" + " without --force" * self.config.force
        if last := self.run_directory.last_checkpoint():
            stage, step = last
            return f"{command} goes on from step {step:,} of {stage}"
        return f"{command} goes on after what is done: {done}"

    @contextlib.contextmanager
    def _training(self):
        """Models made inside train on the run's devices, in its precision."""
        with self.strategy.scope(), devices.numerics(self.machine):
            yield

    def _read_corpus(self):
        config = self.config
        self.console.say(
            f"computing on {self.machine.device}: {self.machine.reason}; {self.machine.precision}"
        )
        for flag in without_meaning(config):
            self.console.say(f"--{flag} has no meaning for --recipe={config.recipe}: left out")
        self.console.say(f"corpus {config.corpus}")
        started = time.perf_counter()
        corpus = self.corpus or open_corpus(config.corpus, config.data_dir, config.text_column)
        if files := format_files(corpus):
            self.console.say(files)
        prepared = prepare(
            corpus,
            self.tokenizer,
            config.shards_dir,
            progress=self.console.preparation(corpus.size),
        )
        self.console.say(format_statistics(prepared.statistics))
        self.console.warn((*self.tokenizer.notes, *prepared.warnings))
        self._begin(prepared, started)
        self.train_shard = prepared.shard("train")
        rows = {
            split: Rows(prepared.shard(split), config.length, self.tokenizer)
            for split in ("train", "validation", "test")
        }
        self.train_rows = rows["train"]
        split_steps(plan.student_steps(config, len(self.train_rows)), self.recipe.phases)
        self.test = EvaluationBatches(rows["test"], evaluation_rows(config.length))
        validation = EvaluationBatches(rows["validation"], self.test.batch_size)
        count = min(len(validation), VALIDATION_BATCHES)
        self.validation = [validation.at(index) for index in range(count)]

    def _begin(self, prepared, started):
        """Takes the folder of the run, now that there is text; the old run goes only here."""
        done = self.run_directory.done("prepare")
        shards = prepared.directory.name
        if done and done["shards"] != shards:
            raise UserError(
                f"--output_dir={self.path} holds a run that began with other text "
                f"({done['shards']}, now {shards}): name another --output_dir, or start over with "
                "--force"
            )
        self.run_directory.begin()
        self._begun = True
        lines = flag_lines(self.config)
        write_atomically(self.path / "flags.txt", "\n".join(lines) + "\n")
        flags = RunWriter(self.path / "tensorboard" / "flags")
        flags.replay([])  # nothing of an earlier start
        flags.text("flags", 0, markdown_table(["flag", "value"], parse_flag_lines(lines).items()))
        flags.close()
        if not done:
            facts = {"shards": shards, "statistics": prepared.statistics, "folder": os.getcwd()}
            self._finish("prepare", started, machine=dataclasses.asdict(self.machine), **facts)

    @postponed()
    def _make_teachers(self):
        """Loads, adapts or pre-trains the teacher; [] when the recipe works without one."""
        config, plan_ = self.config, self.plan
        if plan_.teacher_config is None:
            return []
        folders = self._teacher_folders(len(self.loaded_teachers) or 1)
        if self.run_directory.done("teacher"):
            return self.loaded_teachers or [load_model(folders[0])]
        started, before = time.perf_counter(), 0.0
        teacher, *others = self.loaded_teachers or [self._fresh_teacher()]
        if plan_.teacher_steps:
            stage = TrainingStage(
                "teacher",
                recipes.get("mlm").phases[0],
                steps=plan_.teacher_steps,
                learning_rate=plan.teacher_learning_rate(config),
                layerdrop=config.layerdrop,
            )
            batches = self._batches(seed=config.seed, smoothing=0.0)
            before = self.trainer.train(stage, teacher, [], batches)
        for each, folder in zip([teacher, *others], folders, strict=True):
            trained = each is teacher and plan_.teacher_steps
            self._save(each, folder, config.length if trained else None)
        self._finish("teacher", started, before)
        self.trainer.delete_checkpoints("teacher")
        return [teacher, *others]

    def _teacher_folders(self, count):
        """Where a run keeps its teachers; those after the first are of no use to anybody else."""
        more = [self.path / "checkpoints" / f"teacher_{n}" for n in range(2, count + 1)]
        return [self.path / "teacher", *more]

    def _fresh_teacher(self):
        teacher = MaskedLanguageModel(self.plan.teacher_config, seed=self.config.seed)
        if not self.trainer.has_checkpoint("teacher"):  # which would take its place
            self.console.say("making the teacher's start from the text")
            ids, counts = self.train_shard.ids, self.train_rows.counts
            special_ids = self.tokenizer.special_ids
            start_from_text(teacher, ids, counts, special_ids, self.config.seed)
        return teacher

    def _make_start(self, teachers):
        """Cuts the student from the first teacher and measures it before it learns anything."""
        output = self.path / "checkpoints" / "student_start"
        if self.run_directory.done("start"):
            return load_model(output)
        started = time.perf_counter()
        start, facts = make_start(
            self.config,
            self.plan,
            self.console,
            teacher=teachers[0] if teachers else None,
            rows=self.train_rows,
            validation_loss=self._validation_loss,
        )
        self._save(start, output, self.config.length)
        self._finish("start", started, **facts)
        return start

    def _make_students(self, teachers, start):
        """Trains the student and, beside it, the baselines that have no teacher."""
        phases, baseline = self.recipe.phases, recipes.get("mlm").phases
        self._make_student("student", start, teachers, phases, self.path / "student")
        kept = self.path / "checkpoints"
        for name in self._baselines():
            if not self.run_directory.done(name):
                student = self._start_of_baseline(name)
                self._make_student(name, student, [], baseline, kept / f"{name}_model")

    def _baselines(self):
        """Keys of the baselines in metrics.json."""
        return [KEYS[word] for word in baselines_of(self.config.baseline)]

    def _start_of_baseline(self, name):
        if name == KEYS["start"]:
            return load_model(self.path / "checkpoints" / "student_start")
        if name == KEYS["random"] or self.trainer.has_checkpoint(name):
            return random_student(self.config, self.plan, self.train_rows.counts)
        self.console.say(f"making the start of {name} from the text")
        ids, special_ids = self.train_shard.ids, self.tokenizer.special_ids
        return student_from_text(self.config, self.plan, self.train_rows, ids, special_ids)

    @postponed()
    def _make_student(self, name, student, teachers, phases, output):
        if self.run_directory.done(name):
            return
        config = self.config
        if name in ("student", KEYS["start"]):  # fresh numbers must be trained
            plan.freeze(student, config)
        shares = split_steps(plan.student_steps(config, len(self.train_rows)), phases)
        batches = self._student_batches(teachers, shares)
        started, before, done = time.perf_counter(), 0.0, 0
        stages = _stage_names(name, phases)
        for stage, phase, share, its in zip(stages, phases, shares, batches, strict=True):
            part = TrainingStage(
                stage,
                phase,
                steps=share,
                learning_rate=config.learning_rate,
                first_step=done,
                all_steps=sum(shares),
                more_follows=stage != stages[-1],
            )
            before += self.trainer.train(part, student, teachers, its)
            done += share
        self._save(student, output, config.length)
        self._finish(name, started, before, stages=stages)
        for stage in stages:
            self.trainer.delete_checkpoints(stage)

    def _student_batches(self, teachers, shares):
        """The batches of each phase: with `--teacher_cache`, what the teachers say of them, too."""
        config = self.config
        batches = self._batches(
            config.seed + 1,
            config.mlm_smoothing,
            # Also of the baselines, which learn from the same rows and masks.
            mask_epochs=config.cached_mask_epochs if config.teacher_cache else 0,
        )
        if not (config.teacher_cache and teachers):
            return [batches] * len(shares)
        started = time.perf_counter()
        precision, folders = self.machine.precision, self._teacher_folders(len(teachers))
        student = self.plan.student_config
        cache = open_cache(
            config, batches, teachers, student=student, folders=folders, precision=precision
        )
        kept = kept_for(self.recipe, self.plan.student_config, self.plan.teacher_config)
        ends = list(itertools.accumulate(shares))
        cache.fill(list(zip(kept, [0, *ends], ends, strict=False)), self.console)
        before = (self.run_directory.done("cache") or {}).get("seconds", 0.0)
        bytes_per_token = cache.bytes_per_token(set().union(*kept))
        self._finish("cache", started, before, bytes_per_token=bytes_per_token)
        return [cache.batches(each) for each in kept]

    def _finish_results(self):
        FinalStages(
            self.config,
            self.run_directory,
            self.console,
            finish=self._finish,
            curves=self._curves,
            text=Text(self.tokenizer, self.train_rows.counts, self.test),
            about=self._about(),
            teachers=self._teacher_folders(len(self.loaded_teachers)),
        ).run()

    def _about(self):
        """What the run was made from, and what was run."""
        config = self.config
        made_from = {
            "recipe": config.recipe,
            "teacher": config.teacher,
            "student_init": self.plan.student_init,
            "reads_teacher": reads_teacher(self.recipe, self.plan.teacher_config),
        }
        run = describe_run(
            config,
            self.plan,
            rows=len(self.train_rows),
            statistics=self.run_directory.done("prepare")["statistics"],
            machine=self.machine,
        )
        return {"made_from": made_from, "run": run}

    def _curves(self):
        """Logged points by stage; the steps of a student's phases count on."""
        curves, done = {"teacher": self.trainer.rows("teacher")}, 0
        for stage in _stage_names("student", self.recipe.phases):
            rows = self.trainer.rows(stage)
            curves[stage] = [row | {"step": done + row["step"]} for row in rows]
            done += rows[-1]["step"] if rows else 0
        return curves | {name: self.trainer.rows(name) for name in self._baselines()}

    def _batches(self, seed, smoothing, mask_epochs=0):
        config = self.config
        return TrainingBatches(
            self.train_rows,
            config.batch_size * config.gradient_accumulation_steps,
            seed,
            masked_lm_prob=config.masked_lm_prob,
            mlm_smoothing=smoothing,
            whole_words=config.whole_word_masking,
            mask_epochs=mask_epochs,
        )

    def _validation_loss(self, score):
        return evaluate(score, self.validation)[0]["loss"]

    def _save(self, model, output, length):
        """Writes a model and its tokenizer; `length`: positions it was trained on, None: all."""
        save_model(model, output)
        positions = model.config.max_position_embeddings
        longest = length or min(self.tokenizer.max_length or positions, positions)
        self.tokenizer.save(output, model.config.model_type, longest)

    def _finish(self, stage, started, before=0.0, **facts):
        seconds = before + time.perf_counter() - started
        peak = hardware.peak_memory_bytes()
        self.run_directory.finish(stage, {"seconds": seconds, "peak_memory_bytes": peak, **facts})


def _stage_names(name, phases):
    """A model's stretches of training, one for each phase."""
    return [name] if len(phases) == 1 else [f"{name}-{phase.name}" for phase in phases]
