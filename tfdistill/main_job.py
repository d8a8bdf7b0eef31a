"""The main job by its stages: text, teacher, student, distillation, evaluation, export, report."""

import dataclasses
import json
import time
from pathlib import Path

from tfdistill import devices, plan, recipes, results
from tfdistill.data.batches import EvaluationBatches, Rows, TrainingBatches, as_dataset
from tfdistill.data.corpus import open_corpus
from tfdistill.data.shards import prepare
from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.distillation.distiller import Distiller
from tfdistill.distillation.initialization import initialize_student
from tfdistill.files import write_atomically
from tfdistill.flags import flag_lines
from tfdistill.models.checkpoint import load_model, save_model
from tfdistill.models.heads import MaskedLanguageModel
from tfdistill.progress import duration
from tfdistill.reports.report import write_report
from tfdistill.reports.table import format_statistics, format_table
from tfdistill.reports.tensorboard import RunWriter
from tfdistill.training.evaluation import evaluate, scorer
from tfdistill.training.loop import Intervals, Observers, TrainingLoop
from tfdistill.training.optimizer import build_optimizer
from tfdistill.training.run_state import RunDirectory, StageState
from tfdistill.training.text_start import start_from_text
from tfdistill.training.unigram import set_unigram_bias

VALIDATION_BATCHES = 16  # enough for a curve; the table uses the whole test split
EVALUATION_ROWS = 32


class MainJob:
    """One run, from its flags to its report; each stage is skipped when it is already done.

    Args:
        config: a `RunConfig`.
        console: a `Console`.
        machine: what `devices.prepare` returned.
    """

    def __init__(self, config, console, machine):
        self.config, self.console, self.machine = config, console, machine
        self.tokenizer = load_tokenizer(plan.tokenizer_source(config))
        self.recipe = recipes.get(config.recipe, **dataclasses.asdict(config))
        self.loaded_teacher = load_model(config.teacher) if config.teacher else None
        self.plan = plan.make_plan(config, self.recipe, self.loaded_teacher, self.tokenizer)
        self.run_directory = RunDirectory(
            config.output_dir, plan.settings(config), force=config.force
        )
        self.path = Path(config.output_dir)

    def run(self):
        """Runs what is left to do.

        Returns:
            The metrics, as `metrics.json` holds them.
        """
        metrics_file = self.path / "metrics.json"
        if self.run_directory.done("report"):
            self.console.say(f"{self.path} is finished; --force would start it over")
        else:
            write_atomically(self.path / "flags.txt", "\n".join(flag_lines(self.config)) + "\n")
            self._read_corpus()
            teacher = self._make_teacher()
            start = self._make_start(teacher)
            self._make_students(teacher, start)
            self._finish_results()
        metrics = json.loads(metrics_file.read_text())
        self.console.say(format_table(metrics))
        self.console.say(f"report: {self.path / 'report.html'}")
        return metrics

    def _read_corpus(self):
        config = self.config
        self.console.say(f"corpus {config.corpus}")
        started = time.perf_counter()
        corpus = open_corpus(config.corpus, config.data_dir)
        line = self.console.progress("prepare", corpus.size) if corpus.size else None
        prepared = prepare(
            corpus,
            self.tokenizer,
            config.shards_dir,
            progress=lambda done, _: line and line(done, "bytes"),
        )
        self.console.say(format_statistics(prepared.statistics))
        if not self.run_directory.done("prepare"):
            self._finish("prepare", started, statistics=prepared.statistics)
        rows = {
            split: Rows(prepared.shard(split), config.length, self.tokenizer)
            for split in ("train", "validation", "test")
        }
        self.train_shard, self.train_rows = prepared.shard("train"), rows["train"]
        evaluation = dict(masked_lm_prob=config.masked_lm_prob)
        self.test = EvaluationBatches(rows["test"], EVALUATION_ROWS, **evaluation)
        validation = EvaluationBatches(rows["validation"], EVALUATION_ROWS, **evaluation)
        count = min(len(validation), VALIDATION_BATCHES)
        self.validation = [validation.at(index) for index in range(count)]

    def _make_teacher(self):
        """Loads, adapts or pre-trains the teacher; None when the recipe works without one."""
        config, plan_ = self.config, self.plan
        if plan_.teacher_config is None:
            return None
        output = self.path / "teacher"
        if self.run_directory.done("teacher"):
            return load_model(output)
        started = time.perf_counter()
        if self.loaded_teacher is None:
            teacher = MaskedLanguageModel(plan_.teacher_config, seed=config.seed)
            shard, special_ids = self.train_shard, self.tokenizer.special_ids
            start_from_text(teacher, shard.ids, shard.counts, special_ids, config.seed)
        else:
            teacher = self.loaded_teacher
        if plan_.teacher_steps:
            seconds = self._train(
                "teacher",
                teacher,
                None,
                recipes.get("mlm").phases[0],
                steps=plan_.teacher_steps,
                learning_rate=config.teacher_learning_rate,
                layerdrop=config.layerdrop,
                batches=self._batches(seed=config.seed, smoothing=0.0),
            )
        else:
            seconds = time.perf_counter() - started
        self._save(teacher, output)
        self.run_directory.finish("teacher", {"seconds": seconds})
        self._stage_state("teacher").delete_checkpoints()
        return teacher

    def _make_start(self, teacher):
        """Cuts the student from the teacher and measures it before it learns anything."""
        output = self.path / "checkpoints" / "student_start"
        if self.run_directory.done("start"):
            return load_model(output)
        started = time.perf_counter()
        config, plan_ = self.config, self.plan
        if teacher is None:
            start = self._random_student()
        else:
            start = initialize_student(
                teacher,
                plan_.student_config,
                init=plan_.student_init,
                validation_loss=lambda layers: self._validation_loss(scorer(teacher, layers)),
                seed=config.seed,
            )
        loss = self._validation_loss(scorer(start))
        self.console.say(f"student starts at validation loss {loss:.3f} nats")
        self._save(start, output)
        self._finish("start", started, validation_loss=loss)
        return start

    def _random_student(self):
        student = MaskedLanguageModel(self.plan.student_config, seed=self.config.seed + 1)
        set_unigram_bias(student, self.train_rows.counts)
        return student

    def _make_students(self, teacher, start):
        """Trains the student and, beside it, the baselines that have no teacher."""
        baseline = recipes.get("mlm").phases
        self._make_student("student", start, teacher, self.recipe.phases, self.path / "student")
        kept = self.path / "checkpoints"
        if self.config.baseline in ("random", "both"):
            student = self._random_student()
            self._make_student("baseline", student, None, baseline, kept / "baseline_model")
        if self.config.baseline in ("start", "both"):
            student = load_model(kept / "student_start")
            self._make_student(
                "baseline_start", student, None, baseline, kept / "baseline_start_model"
            )

    def _make_student(self, name, student, teacher, phases, output):
        if self.run_directory.done(name):
            return
        config = self.config
        plan.freeze(student, config)
        batches = self._batches(seed=config.seed + 1, smoothing=config.mlm_smoothing)
        steps = plan.student_steps(config, len(self.train_rows))
        seconds = 0.0
        stages = [name if len(phases) == 1 else f"{name}-{phase.name}" for phase in phases]
        shares = plan.split_steps(steps, phases)
        for stage, phase, share in zip(stages, phases, shares, strict=True):
            seconds += self._train(
                stage,
                student,
                teacher,
                phase,
                steps=share,
                learning_rate=config.learning_rate,
                layerdrop=0.0,
                batches=batches,
            )
        self._save(student, output)
        self.run_directory.finish(name, {"seconds": seconds})
        for stage in stages:
            self._stage_state(stage).delete_checkpoints()

    def _stage_state(self, stage):
        return StageState(self.path / "checkpoints", stage)

    def _train(self, name, model, teacher, phase, *, steps, learning_rate, layerdrop, batches):
        """Runs one phase from its last checkpoint to its end; returns its seconds."""
        config = self.config
        distiller = Distiller(
            model,
            phase,
            teacher,
            seed=config.seed,
            layerdrop=layerdrop,
            micro_batches=config.gradient_accumulation_steps,
        )
        optimizer = build_optimizer(
            model.trainable_variables,
            learning_rate=learning_rate,
            steps=steps,
            warmup_prop=config.warmup_prop,
            betas=(config.adam_beta1, config.adam_beta2),
            epsilon=config.adam_epsilon,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
        )
        writer = RunWriter(self.path / "tensorboard" / name)
        state = self._stage_state(name)
        score = scorer(model)
        loop = TrainingLoop(
            distiller,
            optimizer,
            steps=steps,
            dataset=lambda first, end: as_dataset(batches, first, end),
            state=state,
            intervals=Intervals(
                config.log_interval, config.checkpoint_interval, config.validation_interval
            ),
            observers=self._observers(name, steps, writer, score),
            jit_compile=self.machine["jit_compile"],
        )
        seconds = loop.run()
        state.close()
        writer.close()
        return seconds

    def _observers(self, name, steps, writer, score):
        lines = {}

        def restored(rows):
            writer.replay(rows)
            first = rows[-1]["step"] if rows else 0
            if first:
                self.console.say(f"{name} goes on from step {first:,}")
            lines["line"] = self.console.progress(name, steps, first)

        def progress(step, row):
            writer.scalars(step, {key: value for key, value in row.items() if key != "step"})
            text = f"loss {row['loss']:.3f}  {row['tokens_per_second']:,.0f} tokens/s"
            lines["line"](step, text)

        return Observers(progress, restored, lambda: self._validation_loss(score))

    def _finish_results(self):
        """Evaluates, exports and reports; none of it can cost the trained models."""
        started = time.perf_counter()
        if not self.run_directory.done("evaluate"):
            self.console.say(f"evaluating {len(self.test.rows):,} rows of the test split")
            models = results.models_of(self.path)
            table = results.evaluate_models(models, self.train_rows.counts, self.test)
            self._finish("evaluate", started, models=table)
        started = time.perf_counter()
        if not self.run_directory.done("export"):
            self.console.say("exporting and running the TFLite files")
            files = results.export_run(self.path, self.config.length, self.tokenizer, self.test)
            self._finish("export", started, files=files)
        started = time.perf_counter()
        metrics = results.collect(
            self.config.corpus,
            self.run_directory.done("evaluate")["models"],
            self.run_directory.done("export")["files"],
            self.run_directory.seconds,
            devices.peak_memory_bytes(),
        )
        examples = results.fill_examples(self.path, self.tokenizer, self.test.rows)
        curves = {
            name: self._stage_state(name).load_rows()
            for name in self._stage_names()
        }
        writer = RunWriter(self.path / "tensorboard" / "examples")
        writer.replay([])  # nothing of an earlier try
        writer.text("fill-mask", 0, results.examples_markdown(examples))
        writer.close()
        results.write_card(self.path, metrics)
        write_report(self.path / "report.html", metrics, curves, examples)
        write_atomically(self.path / "metrics.json", json.dumps(metrics, indent=1) + "\n")
        self._finish("report", started)
        self.console.say(f"whole run: {duration(sum(self.run_directory.seconds.values()))}")

    def _stage_names(self):
        phases = self.recipe.phases
        students = ["student"] if len(phases) == 1 else [f"student-{p.name}" for p in phases]
        return ["teacher", *students, "baseline", "baseline_start"]

    def _batches(self, seed, smoothing):
        config = self.config
        return TrainingBatches(
            self.train_rows,
            config.batch_size * config.gradient_accumulation_steps,
            seed,
            masked_lm_prob=config.masked_lm_prob,
            mlm_smoothing=smoothing,
        )

    def _validation_loss(self, score):
        return evaluate(score, self.validation)[0]["loss"]

    def _save(self, model, output):
        save_model(model, output)
        self.tokenizer.save(output)

    def _finish(self, stage, started, **facts):
        self.run_directory.finish(stage, {"seconds": time.perf_counter() - started, **facts})

