"""``carlib grade``: execute learners' notebooks again and say which exercises are right.

Of a notebook only the text of its code cells counts. It runs in a kernel and on a server of its
own; what `check` says there is the verdict, and SQL is checked once more here, on tables that no
learner's code has seen. Stored outputs gain nothing by that; malice takes a container to stop.
"""

import argparse
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook
from sqlalchemy import Engine

from carlib import connect, create_tables, generate_cars, initial_load
from carlib.text import printable
from course.errors import UsageError
from course.lessons import Lesson, assign_parameters, choose_lessons, find_lessons
from exercises.checking import check
from exercises.exercise import Exercise
from exercises.feedback import Feedback, Outcome
from servers.postgres import temporary_server

ROWS = "10000"  # enough for every lesson to run through, and quick
RIGHT, WRONG, UNTRIED, MISSING = "right", "not right", "not tried", "no notebook"
ANSWER = "application/vnd.carlib.answer+json"
# Before the first cell: whatever is handed to `check` is shown as data that no reader sees.
PROLOGUE = f"""
from exercises import notebook as _notebook
from IPython.display import publish_display_data as _publish
def _check_and_tell(exercise, answer, engine, check=_notebook.check):
    feedback = check(exercise, answer, engine)
    sql = answer if isinstance(answer, str) else ""
    _publish({{"{ANSWER}": [exercise.name, sql, *map(str, vars(feedback).values())]}})
    return feedback
_notebook.check = _check_and_tell
"""
# No token of a CI service reaches a learner's code, nor a server that is not its own.
HIDDEN = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH|^PG|^CARLIB|^ACTIONS|^GITHUB", re.I)
XML_REFUSES = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class Grade:
    """What became of one exercise: a verdict, what the check said, and the answer if it was SQL."""

    verdict: str
    text: str = ""
    answer: str = ""


@dataclass
class LessonGrade:
    """One lesson of a learner: its exercises, and the errors of its cells."""

    lesson: str
    exercises: dict[str, Grade]
    problems: list[str] = field(default_factory=list)


@dataclass
class LearnerGrade:
    """One learner: the folder's name, a grade for each lesson, how many exercises are right."""

    name: str
    lessons: list[LessonGrade]
    right: int = 0


def grade(options: argparse.Namespace) -> int:
    """Grade the notebooks of folders, write what was asked for and print a table.

    Returns:
        0, or 1 where a learner has fewer exercises right than is required.

    Raises:
        UsageError: It can't be done as asked; nothing was executed.
    """
    lessons = choose_lessons(find_lessons(options.notebooks), options.only)
    asked = {lesson: lesson.exercises for lesson in lessons if lesson.exercises}
    total = sum(map(len, asked.values()))
    if options.require not in (None, "all", *map(str, range(total + 1))):
        raise UsageError(f"--require takes 'all' or 0 to {total}, found {options.require!r}.")
    required = total if options.require == "all" else int(options.require or 0)
    parameters = assign_parameters(list(asked), {"rows": options.rows or ROWS})
    submissions = find_learners(options.folder, list(asked))
    learners = []
    with temporary_server() as server:
        engine = connect(server.url, schema="grading")
        create_tables(engine)
        initial_load(engine, generate_cars(300, seed=20241110))
        for name, notebooks in submissions.items():
            learners.append(learner := LearnerGrade(name, []))
            for (lesson, exercises), values in zip(asked.items(), parameters, strict=True):
                path = notebooks.get(lesson.name)
                verdict = UNTRIED if path else MISSING
                graded = LessonGrade(lesson.name, {each.name: Grade(verdict) for each in exercises})
                learner.lessons.append(graded)
                if path:
                    print(f"{printable(name)} {lesson.name}", file=sys.stderr, flush=True)
                    values = {**lesson.parameters, **values, "schema": "graded"}
                    grade_notebook(path, exercises, graded, values, options.seconds, engine)
                learner.right += sum(item.verdict == RIGHT for item in graded.exercises.values())
        engine.dispose()
    as_json = json.dumps(list(map(asdict, learners)), indent=2).encode()
    for path, content in ((options.json, as_json), (options.junit, as_junit(learners))):
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    print(as_table(learners, total))
    if short := sum(learner.right < required for learner in learners):
        print(f"Fewer than {required} of {total} right: {short} of {len(learners)}.")
    return 1 if short else 0


def find_learners(folders: Sequence[Path], lessons: Sequence[Lesson]) -> dict[str, dict[str, Path]]:
    """Find the notebooks of each learner, by the lesson's name.

    Args:
        folders: Each with the notebooks of one learner, in it or in folders as the workbook has
            them (``1_core``, ``workbook``), or with a folder for each learner.
        lessons: The lessons to grade: a notebook is one of them by its file's name.

    Raises:
        UsageError: A folder has no such notebook, or a learner has two of one lesson.
    """
    names = {lesson.name for lesson in lessons}
    learners: dict[str, dict[str, Path]] = {}
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*.ipynb") if path.stem in names)
        paths = [path for path in paths if ".ipynb_checkpoints" not in path.parts]
        if not paths:
            raise UsageError(
                f"Expected notebooks in {folder}, or in a folder for each learner, named as the "
                f"lessons are ({', '.join(sorted(names))}); found none."
            )
        tops = " ".join(path.relative_to(folder).parts[0] for path in paths)
        alone = re.search(r"\.ipynb\b|\b(\d_\w+|workbook|notebooks)\b", tops)
        for path in paths:
            home = folder.resolve().name if alone else path.relative_to(folder).parts[0]
            if (other := learners.setdefault(home, {}).setdefault(path.stem, path)) != path:
                raise UsageError(f"Expected one {path.name} of {home}: remove {other} or {path}")
    return learners


def grade_notebook(
    path: Path,
    exercises: Sequence[Exercise],
    graded: LessonGrade,
    values: dict[str, object],
    seconds: float,
    engine: Engine,
) -> None:
    """Execute a learner's notebook and enter what became of each exercise into `graded`."""
    try:
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    except Exception as error:  # nbformat raises many kinds on files that are no notebooks
        graded.problems.append(f"It can't be read as a notebook: {error}"[:300])
        return
    tagged = [n for n, cell in enumerate(cells, 1) if "parameters" in cell.metadata.get("tags", [])]
    sources = [PROLOGUE, *(cell.source for cell in cells)]
    injected = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    sources.insert(max(tagged, default=0) + 1, injected)
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    environment = {name: text for name, text in os.environ.items() if not HIDDEN.search(name)}
    with temporary_server() as server, tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=int(seconds), allow_errors=True)
        client.resources, client.log = {"metadata": {"path": folder}}, logging.Logger("", 100)
        client.extra_arguments = ["--IPKernelApp.log_level=ERROR"]
        url = server.url.render_as_string(hide_password=False)
        environment |= {"CARLIB_DATABASE_URL": url, "IPYTHONDIR": folder, "TQDM_DISABLE": "1"}
        try:
            client.reset_execution_trackers()
            with client.setup_kernel(env=environment):  # execute() takes over our signals
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
        except (CellTimeoutError, DeadKernelError) as error:
            dead = isinstance(error, DeadKernelError)
            reason = "the kernel died" if dead else f"a cell took longer than {seconds:g} s"
            graded.problems.append(f"The rest was not run: {reason}.")
    by_name = {exercise.name: exercise for exercise in exercises}
    for output in (output for cell in notebook.cells for output in cell.outputs):
        if output.output_type == "error":
            graded.problems.append(f"{output.ename}: {output.evalue}"[:300])
        elif told := output.get("data", {}).get(ANSWER):
            with suppress(ValueError, TypeError, KeyError):  # a learner can show such data too
                name, answer, kind, *parts = told
                feedback, item = Feedback(Outcome(kind), *parts), graded.exercises[name]
                if feedback.outcome is not Outcome.UNTRIED:  # a stub left standing below an answer
                    feedback = check(by_name[name], answer, engine) if answer else feedback
                    item.verdict = RIGHT if feedback.outcome is Outcome.RIGHT else WRONG
                    item.answer = answer
                    item.text = repr(feedback).partition("\n")[2].strip()


def as_table(learners: Sequence[LearnerGrade], total: int) -> str:
    """Write a line for each learner, `3/5` being three of five right, then what is not right."""
    rows = [["learner", *(item.lesson for item in learners[0].lessons), "right"]]
    details = []
    for learner in learners:
        row = [learner.name]
        for item in learner.lessons:
            verdicts = [result.verdict for result in item.exercises.values()]
            row.append(f"{verdicts.count(RIGHT)}/{len(verdicts)}{' !' * bool(item.problems)}")
            notes = [f"! {problem}" for problem in item.problems]
            notes += [f"{n}: {r.text}" for n, r in item.exercises.items() if r.verdict == WRONG]
            details += [f"{learner.name} {item.lesson}: {' '.join(note.split())}" for note in notes]
        rows.append([*row, f"{learner.right}/{total}"])
    rows = [[printable(field) for field in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, *map(printable, details)])


def as_junit(learners: Sequence[LearnerGrade]) -> bytes:
    """Write JUnit XML: a suite for each learner, a case for each exercise; not tried is skipped."""
    root = Element("testsuites", name="carlib grade")
    for learner in learners:
        suite = SubElement(root, "testsuite", name=XML_REFUSES.sub("\ufffd", learner.name))
        for item in learner.lessons:
            for name, result in item.exercises.items():
                case = SubElement(suite, "testcase", classname=item.lesson, name=name)
                if result.verdict == UNTRIED:
                    SubElement(case, "skipped")
                elif result.verdict != RIGHT:
                    text = "\n".join([result.text, *item.problems])
                    failure = SubElement(case, "failure", message=result.verdict)
                    failure.text = XML_REFUSES.sub("\ufffd", text)
        counted = {"tests": "*", "failures": "*/failure", "skipped": "*/skipped"}
        for name, path in counted.items():
            suite.set(name, str(len(suite.findall(path))))
    indent(root)
    return tostring(root, encoding="utf-8", xml_declaration=True)
