"""README and docs/: their commands, flags, links and files exist."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from tfdistill.__main__ import COMMANDS
from tfdistill.command_line.run_config import RunConfig
from tfdistill.settings.settings import options_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
OURS = re.compile(r"python -m tfdistill\.(\w+)|tfdistill-([a-z]+(?:-[a-z]+)*)")
SCRIPT = re.compile(r"(?:bash|python) (scripts/[\w/]+\.(?:sh|py))")
GIVEN_TO_ALL = {"flagfile", "help", "helpfull", "version"}


def command_lines(page):
    """Yields the command lines of a page, with continued lines joined: lists of words."""
    text = re.sub(r"\\\n\s*", " ", page.read_text("utf-8"))
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    lines += re.findall(r"`([^`\n]+)`", text)
    for line in lines:
        line = line.strip()
        if OURS.match(line) or SCRIPT.match(line):
            words = shlex.split(line, comments=True)
            yield [word for word in words if word != "…"]


def parse(name, words):
    """Reads a command line as a `RunConfig`; the command's help has all of its flags."""
    command = importlib.import_module(f"tfdistill.{name}").COMMAND
    shown = set(command.setting_names())
    for word in words:
        flag = re.match(r"--(\w[\w-]*)", word)
        if flag and flag[1] not in GIVEN_TO_ALL:
            assert flag[1].replace("-", "_").removeprefix("no") in shown, (name, word)
    return command.config(words)


@PAGE
def test_commands_and_their_flags_exist(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for words in command_lines(page):
        line = shlex.join(words)
        if script := SCRIPT.match(line):
            content = (ROOT / script[1]).read_text("utf-8")
            for flag in re.findall(r" (--\w[\w-]*)", line):
                assert flag in content or f'"{flag[2:]}"' in content, line
            continue
        module, installed = OURS.match(line).groups()
        name = module or installed.replace("-", "_")
        assert name in COMMANDS, line
        after = words[1:] if installed else words[3:]
        parse(name, [word for word in after if word != "--help"])


@PAGE
def test_flags_in_the_text_exist(page):
    options = options_of(RunConfig)
    aliases = {option.alias for option in options.values()}
    known = options.keys() | aliases | GIVEN_TO_ALL | {"logdir"}
    scripts = "".join(path.read_text("utf-8") for path in (ROOT / "scripts").rglob("*.[ps][yh]"))
    for name in set(re.findall(r"(?<![\w-])--(\w[\w-]*)", page.read_text("utf-8"))):
        if name.startswith("xla_"):  # flags of the compiler
            continue
        assert name in known or f"--{name}" in scripts or f'"{name}"' in scripts, name


@PAGE
def test_links_and_files_exist(page):
    text = page.read_text("utf-8")
    file = r"(?<![\w/])((?:configs|constraints|scripts)/[\w./-]*\w)(?![\w{])"
    for path in re.findall(file, text):
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        target = page.parent / target if target else page
        assert target.is_file(), link
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.M)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, link


def test_cheap_commands_run(user_folder, run_command, capfd, monkeypatch):
    monkeypatch.chdir(user_folder)
    ran = 0
    for words in command_lines(ROOT / "README.md"):
        if words[2:3] == ["tfdistill.fill_mask"] and "--model=runs/mini/student" in words:
            assert run_command("fill_mask", *words[3:]) == 0
            ran += len(capfd.readouterr().out.splitlines()) >= 5
    assert ran == 1
