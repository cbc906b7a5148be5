"""``carlib grade``: execute learners' notebooks again and say which exercises are right.

Of a notebook only the text of its code cells counts. It runs in a kernel and on a server of its
own; `check` gives the verdict there, and for SQL once more here. Malice takes a container to stop.
"""

import argparse
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from sqlalchemy import Engine

from carlib import connect, create_tables, generate_cars, initial_load
from carlib.text import printable
from course.errors import UsageError
from course.lessons import Lesson, assign_parameters, choose_lessons, find_lessons
from exercises import Exercise, Feedback, Function, Outcome, Value
from exercises.checking import check
from servers.postgres import temporary_server

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
# What Python needs of our environment, and no more: CI services hand over their secrets there.
KEPT = re.compile(
    r"(?i:PATH|HOME|USER|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|PYTHON(PATH|UTF8)|(DY)?LD_LIBRARY_PATH"
    r"|MPLCONFIGDIR|XDG_CACHE_HOME|SYSTEM(ROOT|DRIVE)|COMSPEC|USERPROFILE|(LOCAL)?APPDATA)"
)


@dataclass
class Grade:
    """What became of one exercise: a verdict, what the check said, and the answer if it was SQL."""

    verdict: str = MISSING
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
    lessons: list[LessonGrade] = field(default_factory=list)
    right: int = 0


def grade(options: argparse.Namespace) -> int:
    """Grade folders, print a table; return 1 where too few are right. UsageError: nothing ran."""
    lessons = choose_lessons(find_lessons(options.notebooks), options.only)
    asked = {lesson: lesson.exercises for lesson in lessons if lesson.exercises}
    total = sum(map(len, asked.values()))
    if options.require not in (None, "all", *map(str, range(total + 1))):
        raise UsageError(f"--require takes 'all' or 0 to {total}, found {options.require!r}.")
    required = total if options.require == "all" else int(options.require or 0)
    parameters = assign_parameters(list(asked), {"rows": options.rows})
    submissions = find_learners(options.folder, list(asked))
    learners = []
    with temporary_server() as server:
        engine = connect(server.url, schema="grading")
        create_tables(engine)
        initial_load(engine, generate_cars(300, seed=20241110))
        for name, notebooks in submissions.items():
            learners.append(learner := LearnerGrade(name))
            for (lesson, exercises), values in zip(asked.items(), parameters, strict=True):
                graded = LessonGrade(lesson.name, {each.name: Grade() for each in exercises})
                learner.lessons.append(graded)
                if path := notebooks.get(lesson.name):
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
    """Find the notebooks of each learner, by the lesson's name, which is that of the file.

    A folder with notebooks, in it or as the workbook has them (``1_core``, ``workbook``), is one
    learner's; in any other each folder is. UsageError tells of none, and of two of one lesson.
    """
    names, parts = {one.name for one in lessons}, {one.part for one in lessons}
    learners: dict[str, dict[str, Path]] = {}
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*.ipynb") if path.stem in names)
        paths = [path for path in paths if not re.search(r"(^|/)\.", str(path.relative_to(folder)))]
        if not paths:
            raise UsageError(
                f"Expected notebooks in {folder} named {', '.join(sorted(names))}; found none."
            )
        tops = {path.relative_to(folder).parts[0] for path in paths}
        alone = tops & {"workbook", "notebooks", *parts, *(f"{name}.ipynb" for name in names)}
        inside = [one.name for one in folder.iterdir() if one.is_dir() and one.name[0] != "."]
        for home in [folder.resolve().name] if alone else sorted(inside):
            learners.setdefault(home, {})
        for path in paths:
            home = folder.resolve().name if alone else path.relative_to(folder).parts[0]
            if (other := learners[home].setdefault(path.stem, path)) != path:
                raise UsageError(f"Expected one {path.name} of {home}: remove {other} or {path}")
    return learners


class Client(NotebookClient):
    """Runs cells, and keeps nothing of what they show but answers and errors."""

    def process_message(self, msg: dict[str, Any], *cell: Any) -> Any:
        """Drop the rest: a cell that clears or captures its output would take answers along."""
        kept = msg["msg_type"] in ("status", "error") or ANSWER in msg["content"].get("data", ())
        return super().process_message(msg, *cell) if kept else None


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
        cells = nbformat.read(path, as_version=4).cells
        sources = [PROLOGUE, *(str(cell.source) for cell in cells if cell.cell_type == "code")]
    except Exception as error:  # nbformat raises many kinds on files that are no notebooks
        graded.problems.append(f"It can't be read as a notebook: {error}"[:300])
        graded.exercises.update({exercise.name: Grade(WRONG) for exercise in exercises})
        return
    injected = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    sets = re.compile(rf"^({'|'.join(values)})\s*=(?!=)", re.MULTILINE)  # tags may be gone
    place = next((n for n, source in enumerate(sources) if sets.search(source)), 0)
    sources.insert(place + 1, injected)
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, sources)))
    environment = {name: text for name, text in os.environ.items() if KEPT.fullmatch(name)}
    with temporary_server() as server, tempfile.TemporaryDirectory() as folder:
        client = Client(notebook, timeout=int(seconds), allow_errors=True, iopub_timeout=15)
        client.resources, client.log = {"metadata": {"path": folder}}, logging.Logger("", 100)
        client.interrupt_on_timeout = client.raise_on_iopub_timeout = True
        client.error_on_timeout = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
        url = server.url.render_as_string(hide_password=False)
        environment |= {"CARLIB_DATABASE_URL": url, "CARLIB_DATA_DIR": folder, "IPYTHONDIR": folder}
        try:
            client.reset_execution_trackers()
            with client.setup_kernel(env=environment, stderr=subprocess.DEVNULL):
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
        except (CellTimeoutError, DeadKernelError) as error:
            reason = "the kernel died" if isinstance(error, DeadKernelError) else "a cell hung"
            graded.problems.append(f"The rest was not run: {reason}.")
    handed_in = {}
    for output in (output for cell in notebook.cells for output in cell.outputs):
        if output.output_type == "error":
            late = f"It took longer than {seconds:g} s." * (output.ename == "KeyboardInterrupt")
            graded.problems.append(f"{output.ename}: {output.evalue or late}"[:300])
        else:
            with suppress(ValueError, TypeError):  # a learner can show such data too
                name, answer, outcome, *parts = map(str, output.data[ANSWER])
                if outcome != Outcome.UNTRIED:  # a stub left standing below an answer
                    handed_in[name] = answer, Feedback(Outcome(outcome), *parts)
    for exercise in exercises:
        if exercise.name in handed_in:
            answer, feedback = handed_in[exercise.name]
            checked_here = not isinstance(exercise, Function | Value)
            if checked_here and (answer or feedback.outcome is Outcome.RIGHT):
                feedback = check(exercise, answer, engine)
            verdict = RIGHT if feedback.outcome is Outcome.RIGHT else WRONG
            text = repr(feedback).partition("\n")[2].strip()
            graded.exercises[exercise.name] = Grade(verdict, text, answer)
        else:
            graded.exercises[exercise.name] = Grade(UNTRIED)


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
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join([*lines, *map(printable, details)])


def as_junit(learners: Sequence[LearnerGrade]) -> bytes:
    """Write JUnit XML: a suite for each learner, a case for each exercise; not tried is skipped."""
    root = Element("testsuites", name="carlib grade")
    for learner in learners:
        suite = SubElement(root, "testsuite", name=printable(learner.name))
        for item in learner.lessons:
            for name, result in item.exercises.items():
                case = SubElement(suite, "testcase", classname=item.lesson, name=name)
                if result.verdict == UNTRIED:
                    SubElement(case, "skipped")
                elif result.verdict != RIGHT:
                    failure = SubElement(case, "failure", message=result.verdict)
                    lines = [*result.text.splitlines(), *item.problems]
                    failure.text = "\n".join(map(printable, lines))
        for name in ("tests *", "failures */failure", "skipped */skipped"):
            suite.set(name.split()[0], str(len(suite.findall(name.split()[1]))))
    return tostring(root, encoding="utf-8", xml_declaration=True)
