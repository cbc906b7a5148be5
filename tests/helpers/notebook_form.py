"""What makes a notebook a lesson of this workbook: each rule yields what offends against it."""

import ast
import copy
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import lesson_figures
import nbformat
from IPython.core.displayhook import DisplayHook
from IPython.core.inputtransformer2 import TransformerManager

import carlib
from carlib import errors
from course.errors import LessonFormError
from course.execute import fill_solutions
from course.lessons import Lesson

IGNORED = "nbval-ignore-output"
COMPARED_SHARE = 0.85
# What a code cell is, besides code that a learner can take to work, which has no tag.
KINDS = {"parameters", "setup", "carlib", "scaffold", "exercise"}
ANATOMY = {
    "the title '# 1 · Name' first": r"\A# \d+ · \S",
    "an opening sentence": r"\A# .+\n\n[A-Z][^*\n]+[.!?]\n",
    "'**You will**' with three verbs or more": r"^\*\*You will\*\*\n\n(- .+\n){3,}",
    "'**You need**'": r"^\*\*You need\*\* \S",
    "'**Time**' in minutes": r"^\*\*Time\*\* \d+ minutes",
    "'## Exercises'": r"^## Exercises$",
    "'## Claims, measured'": r"^## Claims, measured$",
    "'## Recap'": r"^## Recap$",
    "'### Questions', five with a folded answer": (
        r"^### Questions$(.*?^<details><summary>\d\. .+\?</summary>\n\n.+?\n</details>$){5}"
    ),
    "'### Glossary' of terms": r"^### Glossary$\n\n(- \*\*.+?\*\*: .+\n?){3,}",
    "'### Solutions'": r"^### Solutions$",
    "'### On'": r"^### On$",
}
# The palette of Okabe and Ito, whose colors people with any kind of color vision tell apart.
PALETTE = {"#000000", "#0072B2", "#009E73", "#56B4E9", "#CC79A7", "#D55E00", "#E69F00", "#F0E442"}
UNIT = r"\((bytes|kB|MB|ms|s|rows|UTC|currency units)\)|\b(per (key|second)|days since)\b"
_ELSEWHERE = {
    "a path": r"(?<![\w.<])/(home|root|tmp|Users|private|usr|var|opt|mnt|media|etc|srv|Library)\b"
    r"|\b[A-Za-z]:\\\w|file://",
    "a network address": r"\b(\d{1,3}\.){3}\d{1,3}\b|\blocalhost\b",
    "a memory address": r"\b0x[0-9a-f]{6,}\b",
}

PUBLIC_NAMES = {
    "carlib": set(carlib.__all__),
    "carlib.errors": {name for name in vars(errors) if not name.startswith("_")},
}

TEMPLATE = Path(__file__).parents[2] / "docs" / "template_lesson.ipynb"

Rule = Callable[[Lesson], Iterator[str]]


def form(lesson: Lesson) -> Iterator[str]:
    """Written as `carlib execute` writes it, so that a commit shows what really changed."""
    notebook = lesson.notebook
    if set(notebook.metadata) != {"kernelspec", "language_info"}:
        yield f"metadata {sorted(notebook.metadata)}: execute it with `carlib execute`"
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernel is not python3"
    if "version" in notebook.metadata.get("language_info", {}):
        yield "the metadata holds the author's Python version"
    extra = {key for cell in notebook.cells for key in cell.metadata} - {"tags", "jupyter"}
    if extra:
        yield f"cells have metadata {sorted(extra)}"
    if len({cell.id for cell in notebook.cells}) < len(notebook.cells):
        yield "two cells have the same id"


def execution(lesson: Lesson) -> Iterator[str]:
    """Every cell executed once, from the first to the last."""
    for expected, cell in enumerate(code_cells(lesson), 1):
        if cell.execution_count != expected:
            yield f"{_name(cell)} was executed as [{cell.execution_count}], not [{expected}]"


def source(lesson: Lesson) -> Iterator[str]:
    """Plain Python, with nothing that nbval or papermill would treat in its own way."""
    for cell in code_cells(lesson):
        text = cell.source.strip("\n")
        if not text.strip():
            yield f"{_name(cell)} is empty"
        elif TransformerManager().transform_cell(text).strip("\n") != text:
            yield f"{_name(cell)} has a magic, a shell line or a question mark"
        elif DisplayHook.semicolon_at_end_of_expression(text):
            yield f"{_name(cell)} ends in a semicolon"
        if "get_ipython" in text or "NBVAL_" in text:
            yield f"{_name(cell)} speaks to IPython or nbval"


def imports(lesson: Lesson) -> Iterator[str]:
    """Of this workbook's packages only `exercises` and carlib's public names."""
    for cell in code_cells(lesson):
        for node in ast.walk(ast.parse(cell.source)):
            private: set[str] = set()
            if isinstance(node, ast.Import):
                modules = {alias.name for alias in node.names}
                private = {name for name in modules if _is_ours(name)} - {"carlib", "exercises"}
            elif isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
                names = {alias.name for alias in node.names}
                private = names - PUBLIC_NAMES.get(node.module or "", set())
            if private:
                yield f"{_name(cell)} imports {sorted(private)}, which is not public"


def outputs(lesson: Lesson) -> Iterator[str]:
    """The same on every machine, and nothing that alarms a reader."""
    places = _ELSEWHERE | {
        "this computer's name": rf"\b{re.escape(socket.gethostname())}\b",
        "this checkout": re.escape(str(lesson.path.parents[2])),
        "this home folder": re.escape(str(Path.home())) + r"\b(?=[/\\])",
    }
    for cell in code_cells(lesson):
        for output in cell.outputs:
            if output.get("name") == "stderr":
                yield f"{_name(cell)} writes to stderr"
            if output.output_type == "error":
                yield f"{_name(cell)} ends in an error: catch it and print its first line"
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                yield f"{_name(cell)} keeps the random id of a widget"
            text = "\n".join(_texts(output))
            for what, pattern in places.items():
                if match := re.search(pattern, text):
                    yield f"{_name(cell)} shows {what}: {match[0]}"


def charts(lesson: Lesson) -> Iterator[str]:
    """A chart's axes say their units, and its colors are told apart by everybody."""
    for cell in code_cells(lesson):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            if others := set(re.findall(r"#\w{6}\b|\bC\d\b", cell.source)) - PALETTE:
                yield f"{_name(cell)} has the colors {sorted(others)}, expected {sorted(PALETTE)}"
            drawn = "label=" in cell.source and re.search(UNIT, cell.source)
            if not drawn and "draw_times(" not in cell.source:
                yield f"{_name(cell)} names no axis with its unit"


def proportions(lesson: Lesson) -> Iterator[str]:
    """Mostly code that a learner can take to work, in short cells, with enough said about it."""
    if lesson.path != TEMPLATE:
        yield from lesson_figures.form(lesson)


def comparison(lesson: Lesson) -> Iterator[str]:
    """Nearly all outputs compared; where one is not, the code asserts what must hold."""
    cells = code_cells(lesson)
    ignored = [cell for cell in cells if IGNORED in _tags(cell)]
    share = 1 - len(ignored) / len(cells)
    if share < COMPARED_SHARE:
        yield f"only {share:.0%} of the cells have their output compared"
    for cell in ignored:
        if not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell.source))):
            yield f"{_name(cell)} ignores its output and asserts nothing"
    for cell in cells:
        if unknown := _tags(cell) - {IGNORED, *KINDS}:
            yield f"{_name(cell)} has the tags {sorted(unknown)}"


def parameters(lesson: Lesson) -> Iterator[str]:
    """One cell of plain literals, the first with code, with what every lesson lets one change."""
    tagged = [index for index, cell in enumerate(code_cells(lesson)) if "parameters" in _tags(cell)]
    if tagged != [0]:
        yield f"the cells tagged 'parameters' are {tagged}, not the first one alone"
    try:
        declared = lesson.parameters
    except LessonFormError as error:
        yield str(error)
        return
    kinds = {name: type(declared.get(name)) for name in ("schema", "rows", "seed")}
    if kinds != {"schema": str, "rows": int, "seed": int}:
        yield f"schema, rows and seed are not declared as a text and two numbers: {declared}"


def anatomy(lesson: Lesson) -> Iterator[str]:
    """The parts that a reader finds in every lesson, in this order."""
    cells = lesson.notebook.cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    end = 0
    for part, pattern in ANATOMY.items():
        match = re.search(pattern, text, re.MULTILINE | re.DOTALL if "five" in part else re.M)
        if not match:
            yield f"missing: {part}"
        elif match.start() < end:
            yield f"out of order: {part}"
        else:
            end = match.start()
    checks = sum(bool(re.search(r"\bex\.\w+\.check\(", cell.source)) for cell in code_cells(lesson))
    if not 3 <= checks <= 5 and lesson.path != TEMPLATE:
        yield f"{checks} exercises, not three to five"


def solutions(lesson: Lesson) -> Iterator[str]:
    """Each exercise's own solution, folded: what a reader on paper or on a page has of it."""
    written = copy.deepcopy(lesson.notebook)
    fill_solutions(written, lesson.exercises)
    for cell, expected in zip(lesson.notebook.cells, written.cells, strict=True):
        if cell.source != expected.source:
            yield f"{_name(cell)} is not what `carlib execute` writes"


def links(lesson: Lesson, neighbors: tuple[Path | None, Path | None]) -> Iterator[str]:
    """Links lead somewhere; the last cell's lead to the lessons before and after."""
    cells = [cell for cell in lesson.notebook.cells if cell.cell_type == "markdown"]
    for cell in cells:
        for target in link_targets(cell):
            if not (lesson.path.parent / target).exists():
                yield f"{_name(cell)} links to {target}, which is not there"
    expected = {path.name for path in neighbors if path} | {"../../README.md"}
    if missing := expected - set(link_targets(cells[-1])):
        yield f"the last cell has no link to {sorted(missing)}"


RULES: list[Rule] = [
    *(
        form,
        execution,
        source,
        imports,
        outputs,
        charts,
        comparison,
        proportions,
        parameters,
        anatomy,
        solutions,
    ),
]


def code_cells(lesson: Lesson) -> list[nbformat.NotebookNode]:
    """The lesson's code cells, in order."""
    return [cell for cell in lesson.notebook.cells if cell.cell_type == "code"]


def link_targets(cell: nbformat.NotebookNode) -> list[str]:
    """The places that a Markdown cell links to, but for addresses on the web."""
    targets = re.findall(r"\]\(([^)#]+)", cell.source)
    return [target for target in targets if "://" not in target]


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in {"carlib", "course", "exercises", "servers"}


def _name(cell: nbformat.NotebookNode) -> str:
    first = cell.source.strip().split("\n")[0][:50]
    return f"cell {cell.id} ({first})"


def _tags(cell: nbformat.NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def _texts(output: nbformat.NotebookNode) -> Iterator[str]:
    yield output.get("text", "")
    yield from output.get("traceback", [])
    for kind, data in output.get("data", {}).items():
        if kind.startswith("text/") or kind == "image/svg+xml":
            yield data
