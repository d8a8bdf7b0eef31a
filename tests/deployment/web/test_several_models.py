"""Pages of several models: which files are written, what is replaced, and what is refused."""

import json
import shutil

import pytest

from tfdistill.deployment.tflite import export_tflite
from tfdistill.deployment.web_page import write_page
from tfdistill.models.encoder import Encoder
from tfdistill.models.heads.classification import ClassificationHead
from tfdistill.models.model import Model
from tfdistill.system.errors import UserError

FILE = "student.tflite"


@pytest.fixture(scope="module")
def made(bert, exports, tokenizer, tmp_path_factory):
    """dict of tasks to a file, with the tokenizer beside it."""
    path = tmp_path_factory.mktemp("classes") / FILE
    head = ClassificationHead(bert.config, ("bad", "good"))
    export_tflite(Model(Encoder(bert.config), head, seed=1), path, None, 16)
    tokenizer.save(path.parent)
    return {"masked_lm": exports["bert"][1] / FILE, "text_classification": path}


@pytest.fixture
def run(made, tmp_path):
    """A function that copies the file of a task to the folder of a run: its path."""

    def make(place, task):
        (tmp_path / place / "export").mkdir(parents=True, exist_ok=True)
        for name in (FILE, "vocab.txt", "tokenizer.json", "tokenizer_config.json"):
            shutil.copy(made[task].parent / name, tmp_path / place / "export")
        return tmp_path / place / "export" / FILE

    return make


@pytest.fixture
def export(packages, run_command, tmp_path, capsys):
    """A function that writes the page of a file: exit code, and what was printed."""

    def call(file):
        flags = f"--web={tmp_path / 'page'}", f"--web_runtime={packages}"
        code = run_command("export", f"--model={file}", *flags)
        found = capsys.readouterr()
        return code, found.out + found.err

    return call


def tabs(page):
    models = json.loads((page / "models.json").read_text())
    folders = {f"models/{path.name}" for path in (page / "models").iterdir()}
    assert folders == {model["folder"] for model in models}
    return [(model["folder"], model["title"], model["task"]) for model in models]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_run_adds_a_tab(run, export, tmp_path):
    page = tmp_path / "page"
    reviews, whales = run("reviews", "text_classification"), run("whales", "masked_lm")
    code, printed = export(reviews)
    assert code == 0 and "tabs" not in printed
    first = content(page / "models" / "reviews")
    assert first.keys() == {"page.json", "vocab.txt", FILE}
    code, printed = export(whales)
    assert code == 0 and "with student.tflite in one of 2 tabs; any web server" in printed
    assert content(page / "models" / "reviews") == first
    assert tabs(page) == [
        ("models/whales", "whales", "masked_lm"),
        ("models/reviews", "reviews", "text_classification"),
    ]
    found = {path.parent.name: json.loads(path.read_text()) for path in page.glob("*/*/page.json")}
    assert {name: each["labels"] for name, each in found.items()} == {
        "whales": [],
        "reviews": ["bad", "good"],
    }
    assert "[MASK]" in found["whales"]["tokenizer"]["added"]
    assert "[MASK]" not in found["reviews"]["tokenizer"]["added"]
    listed = (page / "files.js").read_text()
    assert all(f'"models/{name}/{FILE}"' in listed for name in found)
    assert str(tmp_path) not in "".join(map(str, content(page / "models" / "whales").values()))


def test_the_same_model_again_replaces_it(run, export, exports, tmp_path):
    reviews, whales = run("reviews", "text_classification"), run("whales", "masked_lm")
    assert export(reviews)[0] == export(whales)[0] == 0
    before = tabs(tmp_path / "page")
    (whales.parent / "student_int8.tflite").write_bytes(
        (exports["bert"][1] / "student_int8.tflite").read_bytes()
    )
    assert export(whales.parent / "student_int8.tflite")[0] == 0
    assert tabs(tmp_path / "page") == before
    names = content(tmp_path / "page" / "models" / "whales").keys()
    assert names == {"page.json", "vocab.txt", "student_int8.tflite"}


def test_a_page_whose_writing_was_cut_off_keeps_its_models(run, export, tmp_path):
    page = tmp_path / "page"
    assert export(run("whales", "masked_lm"))[0] == 0
    page.rename(tmp_path / ".page.tfdistill-old")  # as a kill between two renames leaves it
    assert export(run("reviews", "text_classification"))[0] == 0
    assert [title for _, title, _ in tabs(page)] == ["whales", "reviews"]


@pytest.mark.parametrize(
    "place, task", [("other/whales", "masked_lm"), ("whales", "text_classification")]
)
def test_another_model_of_the_same_name_is_refused(run, export, place, task, tmp_path):
    page = tmp_path / "page"
    assert export(run("whales", "masked_lm"))[0] == 0
    before = content(page / "models" / "whales")
    code, printed = export(run(place, task))
    (line,) = printed.splitlines()
    assert code == 1 and "models/whales holds another model of this name (masked_lm)" in line
    assert content(page / "models" / "whales") == before
    shutil.rmtree(page / "models" / "whales")  # as the line says
    assert export(run(place, task))[0] == 0
    assert tabs(page) == [("models/whales", "whales", task)]


def test_a_damaged_neighbour_is_named(run, export, tmp_path):
    assert export(run("whales", "masked_lm"))[0] == 0
    settings = tmp_path / "page" / "models" / "whales" / "page.json"
    for damaged in ('{"task": "masked_lm", ', '{"task": "masked_lm"}', '{"task": "other"}', "[]"):
        settings.write_text(damaged)
        code, printed = export(run("reviews", "text_classification"))
        (line,) = printed.splitlines()
        assert code == 1 and "whales/page.json is missing or damaged: delete its folder" in line
        assert settings.read_text() == damaged
    settings.unlink()
    assert export(run("reviews", "text_classification"))[0] == 1
    assert (settings.parent / FILE).is_file()


@pytest.mark.parametrize(
    "title, folder",
    [
        ("../a b", "a_b"),
        ("runtime", "runtime"),
        ("", "model"),
        (".", "model"),
        ("Größe", "Größe"),
        ("a\udcff", "a"),
    ],
)
def test_titles_become_folders(made, tokenizer, runtime, title, folder, tmp_path):
    page = tmp_path / "page"
    write_page(made["masked_lm"], tokenizer, page, title, runtime)
    assert tabs(page) == [(f"models/{folder}", title, "masked_lm")]


@pytest.mark.parametrize("title", ["a_b", "A b"])
def test_titles_that_become_one_folder_are_refused(made, tokenizer, runtime, title, tmp_path):
    """macOS takes names that differ in capitals for one."""
    write_page(made["masked_lm"], tokenizer, tmp_path / "page", "a b", runtime)
    with pytest.raises(UserError, match="models/a_b holds another model of this name"):
        write_page(made["masked_lm"], tokenizer, tmp_path / "page", title, runtime)
