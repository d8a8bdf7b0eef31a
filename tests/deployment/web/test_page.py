"""Pages as folders: what is in them, and what is refused."""

import base64
import hashlib
import json
import re
import shutil
import types
from pathlib import Path

import pytest

from tfdistill.data.tokenizer import load_tokenizer
from tfdistill.deployment import web_runtime
from tfdistill.deployment.web_model import require_task
from tfdistill.deployment.web_page import write_page
from tfdistill.deployment.web_runtime import LOCK, SOURCE, runtime_files
from tfdistill.system.errors import UserError

LENGTH = 16


def integrity(path):
    return f"sha256-{base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()}"


def test_a_name_with_marks_of_addresses(exports, tokenizer, runtime, tmp_path):
    file = tmp_path / "a#1 50%?.tflite"
    shutil.copy(exports["bert"][1] / "student_int8.tflite", file)
    written = write_page(file, tokenizer, tmp_path / "page", '<b>"&', runtime)
    folder = "models/b"
    page = json.loads((tmp_path / "page" / folder / "page.json").read_text())
    assert page["model"]["file"] == "a_1_50__.tflite" and f"{folder}/a_1_50__.tflite" in written
    assert page["title"] == '<b>"&'


def test_a_page(exports, tokenizer, runtime, tmp_path):
    _, folder = exports["bert"]
    output, file = tmp_path / "page", folder / "student_int8.tflite"
    written = write_page(file, tokenizer, output, "Whales", runtime)
    names = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    assert written == {name: (output / name).stat().st_size for name in names}
    own = "models/Whales"
    page = json.loads((output / own / "page.json").read_text())
    for key, name in {"model": "student_int8.tflite", "vocabulary": "vocab.txt"}.items():
        assert page[key] == {
            "file": name,
            "bytes": written[f"{own}/{name}"],
            "integrity": integrity(output / own / name),
        }
    models = json.loads((output / "models.json").read_text())
    assert models == [{"folder": own, "title": "Whales", "task": "masked_lm"}]
    assert (page["title"], page["task"], page["labels"]) == ("Whales", "masked_lm", [])
    assert page["lengths"] == {"16": {"signature": "serving_default", "changes": []}}
    assert page["tokenizer"]["added"]["[MASK]"] == page["tokenizer"]["mask"] == 4
    version, files, shell = map(read_constants(output).get, ("VERSION", "FILES", "SHELL"))
    browsers = {"service_worker.js", "files.js", "runtime/LICENSE"}
    assert set(files) == names - browsers and set(shell) < set(files)
    assert {f"{own}/page.json", "models.json", "index.html", "runtime/core.js"} <= set(shell)
    assert not {f"{own}/vocab.txt", f"{own}/student_int8.tflite"} & set(shell)
    # All that the files of the source name is there.
    for source in output.glob("*.js"):
        for name in re.findall(r'from "\./([\w.]+)"', source.read_text()):
            assert name in files
    # The same model again gives the same page, and takes out what does not belong to it.
    (output / "old.txt").write_text("")
    assert write_page(file, tokenizer, output, "Whales", runtime) == written
    assert read_constants(output)["VERSION"] == version and not (output / "old.txt").exists()


def read_constants(folder):
    lines = re.findall(r"const (\w+) = (.*);", (folder / "files.js").read_text())
    return {name: json.loads(value) for name, value in lines}


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
@pytest.mark.parametrize("file", ["student.tflite", "student_int8.tflite"])
def test_another_vocabulary_is_refused(exports, vocabulary, kind, file, runtime, tmp_path):
    _, folder = exports[kind]
    (tmp_path / "vocab.txt").write_text("\n".join([*vocabulary, "one_more"]) + "\n")
    with pytest.raises(UserError, match=rf"121 tokens, but .*{file} has 120.*vocabularies differ"):
        write_page(folder / file, load_tokenizer(str(tmp_path)), tmp_path / "page", "a", runtime)
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize("name", ["mine.txt", "page.json"])  # the second: of a page without tabs
def test_a_folder_with_other_files_is_kept(exports, name, run_command, tmp_path, capsys):
    """It is refused before LiteRT.js is looked for."""
    (tmp_path / name).write_text("mine")
    file = exports["bert"][1] / "student.tflite"
    flags = f"--model={file}", f"--web={tmp_path}", f"--web_runtime={tmp_path}"
    assert run_command("export", *flags) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--web={tmp_path} holds files, but no page of this version (no models.json)" in line
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("task", ["question_answering", None])
def test_other_tasks_are_refused(task):
    metadata = {"task": task} if task else {}
    model = types.SimpleNamespace(metadata=metadata, input_names={"input_ids"}, path="x.tflite")
    with pytest.raises(UserError, match="no answers for x.tflite.*leave web out"):
        require_task(model)


def refused(folder, words):
    with pytest.raises(UserError, match=words), runtime_files(folder):
        pass


def test_the_runtime_is_checked(packages):
    with runtime_files(packages / "node_modules") as files:
        assert all(path.read_text() == name for name, path in files.items())
    core = packages / "node_modules" / "@litertjs" / "core"
    (core / "dist" / "index.js").unlink()
    refused(packages, "index.js is missing: run `npm ci`")
    (core / "package.json").write_text('{"version": "2.0.0"}')
    refused(packages, "core 2.5.3 is needed.* has 2.0.0")
    refused("nowhere", "core 2.5.3 is needed, nowhere/node_modules has none")


def test_npm_is_needed_and_may_fail(monkeypatch, tmp_path):
    for name in ("package.json", LOCK):
        (tmp_path / name).write_text((SOURCE / name).read_text())
    monkeypatch.setattr(web_runtime, "SOURCE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    refused("", "npm of Node.js.*set web_runtime")
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho npm error code ENOTFOUND >&2\nexit 1\n")
    npm.chmod(0o755)
    with pytest.raises(UserError, match=r"\(code ENOTFOUND\)") as error, runtime_files():
        pass
    assert "\n" not in str(error.value)


def test_the_export_command(exports, packages, run_command, tmp_path, capsys):
    _, folder = exports["distilbert"]
    page, run = tmp_path / "page", tmp_path / "mine"
    run.mkdir()
    (run / "export").symlink_to(folder)
    flags = f"--web={page}", f"--web_runtime={packages}", "--json"
    assert run_command("export", f"--output_dir={run}", *flags) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"web": {"directory": str(page), "files": found["web"]["files"]}}
    (model,) = json.loads((page / "models.json").read_text())
    assert found["web"]["files"][f"{model['folder']}/student_int8.tflite"] and model["title"]
    own = page / model["folder"]
    assert run_command("export", f"--model={folder / 'student.tflite'}", *flags) == 0
    assert (own / "student.tflite").is_file() and not (own / "student_int8.tflite").exists()
    capsys.readouterr()
    assert run_command("export", f"--model={tmp_path / 'gone.tflite'}", *flags) == 1
    assert "gone.tflite: no such file" in capsys.readouterr().err
    (run / "damaged.tflite").write_bytes((folder / "student.tflite").read_bytes()[:1000])
    (run / "vocab.txt").write_bytes((folder / "vocab.txt").read_bytes())
    assert run_command("export", f"--model={run / 'damaged.tflite'}", *flags) == 1
    assert "damaged.tflite is no readable TFLite file" in capsys.readouterr().err
    assert (own / "student.tflite").is_file()


def test_the_source_of_the_page_is_part_of_the_package():
    root = Path(__file__).resolve().parents[3]
    assert SOURCE.resolve() == root / "examples" / "web"
    packed = re.search(r"\n    deployment/web/(\S+)\n", (root / "setup.cfg").read_text())
    assert packed[1] == "*" and (SOURCE / "LICENSE").read_text() == (root / "LICENSE").read_text()
