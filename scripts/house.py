#!/usr/bin/env python
"""Measures the structure of the code: rooms, imports between them, and what is too large.

    python scripts/house.py            # the table
    python scripts/house.py --list     # and every arrow, long function and large class

A room is a folder of `tfdistill/` or a module at its top. An arrow is an ordered pair of rooms with
an import between them; imports inside functions count. Lines of code are lines that hold code:
blank lines, comments and docstrings do not count. The package is read as text, not imported.
"""

import argparse
import ast
import io
import tokenize
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "tfdistill"


def _commands():
    """The commands that `tfdistill/__main__.py` lists, read as text."""
    tree = ast.parse((ROOT / PACKAGE / "__main__.py").read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "COMMANDS":
            return frozenset(ast.literal_eval(node.value))
    raise SystemExit("tfdistill/__main__.py has no COMMANDS")


COMMANDS = _commands()
# From the top of the house down: a room may import from rooms below its own floor, and from its
# neighbours on the same floor where that makes no circle.
FLOORS = (
    COMMANDS | {"__init__", "__main__"},
    {"command_line"},
    {"run"},
    {"recipes", "tasks", "reports", "deployment", "diagnosis"},
    {"distillation", "starts", "training"},
    {"models", "data"},
    {"system"},
)
SETTINGS_READERS = FLOORS[0] | FLOORS[1] | FLOORS[2]  # the rooms that may import `settings`
MOST_LINES_OF_FUNCTION, MOST_ARGUMENTS, MOST_LINES_OF_CLASS, MOST_LINES_OF_COMMAND = 40, 8, 150, 60


class House:
    """The package's modules, read as text.

    Args:
        package: `Path` of the package's folder.

    Attributes:
        trees: dict of `Path` to (source text, `ast.Module`).
        rooms: sorted list of the names of the rooms.
        imports: dict of (room, imported room) to the sorted list of "file:line" places.
    """

    def __init__(self, package):
        self.package = package
        self.trees = {}
        for path in sorted(package.rglob("*.py")):
            text = path.read_text("utf-8")
            self.trees[path] = text, ast.parse(text)
        self.rooms = sorted({self.room(path) for path in self.trees} - {"__init__", "__main__"})
        self.imports = self._imports()

    def room(self, path):
        """The room of a module: the first part of its path below the package."""
        return path.relative_to(self.package).with_suffix("").parts[0]

    def _imports(self):
        found = defaultdict(list)
        for path, (_, tree) in self.trees.items():
            for node in ast.walk(tree):
                for name in _imported(node, self.package):
                    pair = self.room(path), name
                    if pair[0] != pair[1]:
                        found[pair].append(f"{path.relative_to(self.package.parent)}:{node.lineno}")
        return {pair: sorted(places) for pair, places in sorted(found.items())}

    def against_the_rule(self):
        """Imports that run upward, or that lie on a circle of rooms: dict as `imports`."""
        wrong = {pair: places for pair, places in self.imports.items() if not _may(*pair)}
        below = defaultdict(set)
        for importer, imported in self.imports:
            below[importer].add(imported)
        for pair, places in self.imports.items():
            if pair[0] in _reachable(pair[1], below):
                wrong[pair] = places
        return wrong

    def long_functions(self):
        """Functions with too many lines of code or arguments: list of (place, lines, arguments)."""
        found = []
        for path, node, code in self._definitions((ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            count = sum(argument.arg not in ("self", "cls") for argument in arguments)
            exempt = "recipes" in path.parts  # a recipe's options are its arguments
            if code > MOST_LINES_OF_FUNCTION or (count > MOST_ARGUMENTS and not exempt):
                found.append((f"{path}:{node.lineno} {node.name}", code, count))
        return found

    def large_classes(self):
        """Classes with too many lines of code: list of (place, lines)."""
        found = [
            (f"{path}:{node.lineno} {node.name}", code)
            for path, node, code in self._definitions(ast.ClassDef)
            if not _is_dataclass(node)
        ]
        return [(place, code) for place, code in found if code > MOST_LINES_OF_CLASS]

    def long_commands(self):
        """Commands with too many lines: list of (name, lines)."""
        lines = {
            path.stem: len(text.splitlines())
            for path, (text, _) in self.trees.items()
            if path.parent == self.package and path.stem in COMMANDS
        }
        return [(name, count) for name, count in lines.items() if count > MOST_LINES_OF_COMMAND]

    def not_commands(self):
        """Modules at the top that are no commands: a list of names."""
        tops = {path.stem for path in self.trees if path.parent == self.package}
        return sorted(tops - COMMANDS - {"__init__", "__main__"})

    def _definitions(self, kinds):
        for path, (text, tree) in self.trees.items():
            code_lines = _code_lines(text, tree)
            for node in ast.walk(tree):
                if isinstance(node, kinds):
                    inside = range(node.lineno, node.end_lineno + 1)
                    code = sum(line in code_lines for line in inside)
                    yield path.relative_to(self.package.parent), node, code


def _imported(node, package):
    """The rooms that a statement imports from."""
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        # `from tfdistill import recipes` names the room behind the import.
        top = node.module == package.name
        names = [f"{node.module}.{alias.name}" for alias in node.names] if top else [node.module]
    for name in names:
        parts = name.split(".")
        if parts[0] == package.name and len(parts) > 1:
            if (package / parts[1]).is_dir() or (package / f"{parts[1]}.py").is_file():
                yield parts[1]


def _may(importer, imported):
    """Whether the rule lets one room import from another."""
    if imported == "settings":
        return importer in SETTINGS_READERS
    if importer == "settings":
        return imported == "system"
    floors = [_floor(room) for room in (importer, imported)]
    return None not in floors and floors[0] <= floors[1]


def _floor(room):
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def _reachable(room, below):
    found, waiting = set(), [room]
    while waiting:
        for other in below[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found


def _code_lines(text, tree):
    """Numbers of the lines that hold code."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped | {tokenize.ENDMARKER}:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if documented and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            lines.difference_update(range(first.lineno, first.end_lineno + 1))
    return lines


def _is_dataclass(node):
    return any("dataclass" in ast.dump(decorator) for decorator in node.decorator_list)


def main():
    """Prints the measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print every place behind the numbers")
    arguments = parser.parse_args()
    house = House(ROOT / PACKAGE)
    measures = {
        "rooms": house.rooms,
        "arrows between rooms": [f"{a} -> {b}" for a, b in house.imports],
        "arrows against the rule": [
            f"{a} -> {b}  {' '.join(places)}" for (a, b), places in house.against_the_rule().items()
        ],
        "modules at the top that are no commands": house.not_commands(),
        f"commands over {MOST_LINES_OF_COMMAND} lines": house.long_commands(),
        f"functions over {MOST_LINES_OF_FUNCTION} lines of code or {MOST_ARGUMENTS} arguments": (
            house.long_functions()
        ),
        f"classes over {MOST_LINES_OF_CLASS} lines of code": house.large_classes(),
    }
    for name, places in measures.items():
        print(f"{len(places):4}  {name}")
        if arguments.list:
            for place in places:
                print("        ", *(place if isinstance(place, tuple) else (place,)))


if __name__ == "__main__":
    main()
