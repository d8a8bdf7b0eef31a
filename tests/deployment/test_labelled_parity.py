"""Files of tasks with labels are accepted by the task's metric, recomputed on the file."""

import ast
import dataclasses

import numpy as np
import pytest

from tfdistill import tasks
from tfdistill.data.labelled.examples import SpanExample, TaggedExample, TextExample
from tfdistill.deployment.compared_texts import calibration_texts
from tfdistill.deployment.label_predictor import LabelPredictor
from tfdistill.deployment.parity import ParityError, check_parity
from tfdistill.deployment.signatures import names_of
from tfdistill.deployment.tflite import DYNAMIC_INT8, export_tflite, export_tflite_files
from tfdistill.deployment.variants import FLOAT16, FULL_INT8
from tfdistill.models.heads.answer_rules import AnswerRules

pytestmark = pytest.mark.tf218
LENGTH = 24
FILES = {"student.tflite": None, "student_int8.tflite": DYNAMIC_INT8}
WORDS = "the a whale ship sea captain sank saw and of in storm men night old boat . ,".split()


def text(generator, most):
    return " ".join(generator.choice(WORDS, generator.integers(1, most)))


@pytest.fixture(scope="module")
def trained(bert, add_noise, tokenizer, tmp_path_factory):
    """A function of a task, examples and files to (task, model, folder of files, batches)."""

    def make(task, examples, files=tuple(FILES), lengths=LENGTH):
        model = task.model(bert.config, seed=1)
        add_noise(model, 0.2, np.random.default_rng(3))
        folder = tmp_path_factory.mktemp(task.name)
        export_tflite_files(model, {folder / name: FILES[name] for name in files}, lengths)
        source = task.encode(examples, tokenizer, LENGTH).with_lengths((8, 16, LENGTH))
        return task, model, folder, task.evaluation_batches(source)

    return make


@pytest.fixture(scope="module")
def classes(trained):
    generator = np.random.default_rng(0)
    labels = generator.choice(["bad", "good"], 50)
    examples = [TextExample(text(generator, 25), label=str(label)) for label in labels]
    return trained(tasks.get("text_classification").bound(("bad", "good")), examples)


def test_the_metric_of_a_file(classes):
    task, model, folder, batches = classes
    assert len({batch["input_ids"].shape[1] for batch in batches}) > 1
    whole = task.evaluate(task.scorer(model), batches, batches.source)
    fixed = task.fixed_batches(batches, LENGTH, 1000)
    result = check_parity(task, model, folder / "student.tflite", fixed, limit=1)
    assert result.positions == 50 and result.agreement == 1.0
    assert result.primary_keras == result.primary_lite == whole.metrics["accuracy"]
    assert result.loss_lite == pytest.approx(whole.metrics["loss"], rel=1e-4)
    assert result.facts("accuracy")["interval"] == [0.0, 0.0]
    int8 = check_parity(task, model, folder / "student_int8.tflite", fixed, 1, DYNAMIC_INT8)
    assert int8.max_abs_difference > result.max_abs_difference


def test_a_changed_weight_is_noticed(classes, tokenizer):
    task, model, folder, batches = classes
    fixed, dense = task.fixed_batches(batches, LENGTH, 1000), model.head.dense
    before = dense.kernel.numpy(), dense.bias.numpy()
    predictions = task.evaluate(task.scorer(model), batches, batches.source).predictions
    try:
        dense.bias.assign(before[1] + [0.0, 0.01])
        with pytest.raises(ParityError, match="differs from its model by"):
            check_parity(task, model, folder / "student.tflite", fixed, limit=1)
        # The model now predicts the other class, which is the true one of these examples.
        examples = [
            dataclasses.replace(example, label=task.labels_names[1 - prediction])
            for example, prediction in zip(batches.source.examples, predictions, strict=True)
        ]
        source = task.encode(examples, tokenizer, LENGTH)
        fixed = task.fixed_batches(task.evaluation_batches(source), LENGTH, 1000)
        for variable, value in zip((dense.kernel, dense.bias), before, strict=True):
            variable.assign(-value)
        with pytest.raises(
            ParityError,
            match=r"accuracy is 0\.0 % where the model has 100\.0 % .*: −100\.0 to −100\.0",
        ):
            check_parity(task, model, folder / "student_int8.tflite", fixed, 1, DYNAMIC_INT8)
    finally:
        for variable, value in zip((dense.kernel, dense.bias), before, strict=True):
            variable.assign(value)


@pytest.fixture
def printed(tokenizer, monkeypatch, capsys):
    """A function of a task and its folder of files to what the model card's code prints."""

    def run(task, folder, lengths=(LENGTH,)):
        tokenizer.save(folder, "bert", LENGTH)
        (folder / "labels.txt").write_text("\n".join(task.labels_names) + "\n")
        monkeypatch.chdir(folder)
        types = ", token_type_ids=text.type_ids"
        code = task.words.code.format(
            length=LENGTH,
            signatures=names_of(lengths),
            pad="",
            stride=0,
            shared=2,  # the question leaves 4 tokens of the row
            longest=30,
            may_abstain=False,
            file="student.tflite",
            token_types=types,
        )
        exec(code, {})
        return capsys.readouterr().out

    return run


def test_the_code_of_the_card(classes, printed):
    found = ast.literal_eval(printed(classes[0], classes[2]))
    assert found.keys() == {"bad", "good"} and sum(found.values()) == pytest.approx(1, abs=2e-3)


@pytest.mark.slow
def test_a_file_of_several_lengths(classes, trained, printed):
    task, _, _, batches = classes
    lengths = 8, 13, LENGTH
    _, model, folder, _ = trained(task, batches.source.examples, ["student.tflite"], lengths)
    fixed = task.fixed_batches(batches, LENGTH, 1000)
    result = check_parity(task, model, folder / "student.tflite", fixed, limit=1)
    assert result.positions == 50 and result.agreement == 1.0
    assert result.between_lengths < 1e-5 * result.largest_logit
    found = ast.literal_eval(printed(task, folder, lengths))
    predictor = LabelPredictor.open(str(folder / "student.tflite"))
    longer = "the whale sank a ship in the storm"
    predicted, _ = predictor.predict(["The whale sank the ship.", longer])
    assert predicted["probabilities"] == pytest.approx(found, abs=1e-3)


@pytest.mark.slow
def test_the_code_of_a_taggers_card(trained, printed):
    task = tasks.get("token_classification").bound(("O", "B-SEA", "I-SEA"))
    task, model, folder, batches = trained(task, [TaggedExample(("the", "sea"), ("O", "B-SEA"))])
    fixed = task.fixed_batches(batches, LENGTH, 1000)
    assert check_parity(task, model, folder / "student.tflite", fixed, limit=1).positions == 2
    found = ast.literal_eval(printed(task, folder))
    assert [word for word, _ in found] == "Mary saw the whale in New York .".split()
    assert {tag for _, tag in found} <= set(task.labels_names)


@pytest.mark.slow
def test_answers_of_a_file(trained, printed):
    generator = np.random.default_rng(1)
    task = tasks.get("question_answering").with_rules(AnswerRules(doc_stride=8))
    contexts = [f"{text(generator, 40)} old boat" for _ in range(12)]
    examples = [
        SpanExample(str(i), "the ship", each, (("old boat", each.index("old boat")),))
        for i, each in enumerate(contexts)
    ]
    task, model, folder, batches = trained(task, examples, ["student.tflite"])
    whole = task.evaluate(task.scorer(model), batches, batches.source)
    fixed = task.fixed_batches(batches, LENGTH, 1000)
    result = check_parity(task, model, folder / "student.tflite", fixed, limit=1)
    assert result.positions == 12 < len(batches.source)  # answers, of more windows
    assert result.primary_lite == pytest.approx(whole.metrics["f1"])
    assert result.agreement == 1.0
    some = check_parity(
        task, model, folder / "student.tflite", task.fixed_batches(batches, LENGTH, 4), limit=1
    )
    assert some.positions < result.positions
    assert printed(task, folder).strip() in "The ship sank in the storm. A whale had damaged it."


def tagged(generator):
    tags = "O", "B-SEA", "I-SEA"
    task = tasks.get("token_classification").bound(tags)
    words = [generator.choice(WORDS, generator.integers(2, 18)) for _ in range(30)]
    return task, [
        TaggedExample(tuple(each), tuple(tags[len(w) % 2] for w in each)) for each in words
    ]


def asked(generator):
    contexts = [f"{text(generator, 20)} old boat" for _ in range(12)]
    task = tasks.get("question_answering").with_rules(AnswerRules(doc_stride=8))
    return task, [
        SpanExample(str(i), "the ship", each, (("old boat", each.index("old boat")),))
        for i, each in enumerate(contexts)
    ]


def classified(generator):
    examples = [TextExample(text(generator, 25), label=str(i % 2)) for i in range(40)]
    return tasks.get("text_classification").bound(("0", "1")), examples


@pytest.mark.slow
@pytest.mark.parametrize("make", [classified, tagged, asked])
def test_float16_and_full_int8(trained, make):
    task, model, folder, batches = trained(*make(np.random.default_rng(2)), ["student.tflite"])
    texts = calibration_texts(task, batches, LENGTH, 0)
    fixed = task.fixed_batches(batches, LENGTH, 1000)
    for kind, largest in ((FLOAT16, 0.003), (FULL_INT8, 0.2)):
        export_tflite(model, folder / "variant.tflite", kind, LENGTH, texts)
        found = check_parity(
            task, model, folder / "variant.tflite", fixed, 1, kind, allow_loss=True
        )
        assert 0 < found.max_abs_difference / found.largest_logit < largest
        assert found.agreement > 0.85
