"""Lets many learners run lessons at once: one process each, forked from one that has run them.

Reads from stdin, as JSON, "learners" with "url", "schema", "seed" and "rows" each, the paths of the
"lessons", a folder for the "results", and what to leave out: "without" has titles of sections by
lesson. Forks a process for each learner, holds them until all are there, and lets each write what
it found into a file named like its schema. A kernel for each learner would do the same, and take
its start-up time forty times over.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import json
import multiprocessing
import os
import re
import sys
import traceback
from collections.abc import Collection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from nbformat import NotebookNode
from sqlalchemy import text
from traitlets.config import Config

import carlib
from course.lessons import Lesson

START_SECONDS = 120
# A history would be written by a thread, which is lost in a fork.
NO_HISTORY = Config(HistoryAccessor={"enabled": False})


def code_cells(lesson: Lesson, without: Collection[str] = ()) -> list[NotebookNode]:
    """The code cells of a lesson, but those of the sections with the given titles."""
    section, found = "", []
    for cell in lesson.notebook.cells:
        if cell.cell_type == "markdown":
            section = ([section, *re.findall(r"^## (.+)$", cell.source, re.MULTILINE)])[-1]
        elif section not in without:
            found.append(cell)
    return found


def run_lessons(learner: dict, lessons: list[str], without: dict[str, list[str]]) -> dict:
    """Run the code cells of each lesson as one notebook, in the learner's schema.

    Returns:
        For each lesson's name the number of cells that ran, how many cars its schema holds at the
        end, and a checksum of their VINs; under "error" what failed, if something did.
    """
    found: dict[str, object] = {}
    for path in lessons:
        lesson = Lesson(Path(path))
        shell = InteractiveShell(config=NO_HISTORY)
        cells = code_cells(lesson, without.get(lesson.name, ()))
        for number, cell in enumerate(cells):
            source = cell.source
            if "parameters" in cell.metadata.get("tags", []):
                source += "".join(f"\n{x} = {learner[x]!r}" for x in ("schema", "rows", "seed"))
            outcome = shell.run_cell(source)
            if error := outcome.error_before_exec or outcome.error_in_exec:
                shown = "".join(traceback.format_exception(error))
                return found | {"error": f"{lesson.name}, cell {number}:\n{source}\n{shown}"}
        engine = shell.user_ns["engine"]
        with engine.connect() as connection:
            schema = connection.scalar(text("SELECT current_schema()"))
            cars = connection.scalar(text("SELECT to_regclass('car_info')"))
            vins = connection.scalars(text("SELECT vin FROM car_info")).all() if cars else []
        engine.dispose()
        found[lesson.name] = {
            "cells": len(cells),
            "schema": schema,
            "cars": len(vins),
            "vins": hashlib.sha256("\n".join(sorted(vins)).encode()).hexdigest(),
        }
    return found


def _learner(task: dict, learner: dict, together: Barrier) -> None:
    os.environ["CARLIB_DATABASE_URL"] = learner["url"]
    engine = carlib.connect(schema=learner["schema"])
    with engine.connect() as connection:  # held until everyone has one
        connection.execute(text("SELECT 1"))
        together.wait(START_SECONDS)
    engine.dispose()
    found = run_lessons(learner, task["lessons"], task.get("without", {}))
    Path(task["results"], learner["schema"]).write_text(json.dumps(found), encoding="utf-8")


def main() -> None:
    task = json.load(sys.stdin)
    learners = task["learners"]
    os.environ["CARLIB_DATABASE_URL"] = learners[0]["url"]
    with contextlib.redirect_stdout(io.StringIO()):
        if len(learners) > 1:
            # Alone first: what is imported and compiled on first use need not be by everyone.
            run_lessons(learners[0], task["lessons"], task.get("without", {}))
            gc.collect()
        context = multiprocessing.get_context("fork")
        together = context.Barrier(len(learners))
        processes = [
            context.Process(target=_learner, args=(task, one, together)) for one in learners
        ]
        for process in processes:
            process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
