"""The process in which a handed-in function is called: nothing that it says is believed.

    python -m course.grading.function_process BYTES FILE

FILE holds one line of JSON: the exercise, the source of the answer, the server, and a random token
without which the results, written beside it, count nothing. They are results, not a verdict.
"""

import json
import linecache
import os
import sys
from pathlib import Path
from typing import Any

from course.grading.limits import limit_this_process
from course.grading.schemas import clean_schema
from course.grading.source import ANSWER
from course.grading.wire import parts_to_json
from exercises.exercise import Exercise, Parts
from exercises.failure import Failure
from exercises.notebook import exercises_of
from exercises.sandbox import Sandbox

FILE_NAME = "<your answer>"


def main() -> None:
    """Call one function as its exercise wants it called, and write down what came of it."""
    limit_this_process(int(sys.argv[1]))
    place = Path(sys.argv[2])
    asked = json.loads(place.read_text(encoding="utf-8"))
    place.unlink()  # the token is nowhere but in this process's memory now
    exercise = next(one for one in exercises_of(asked["module"]) if one.name == asked["exercise"])
    with clean_schema(asked["url"]) as engine, Sandbox(engine) as sandbox:
        try:
            parts = _evaluated(exercise, asked["source"], sandbox)
            answer: dict[str, object] = {"parts": parts_to_json(parts)}
        except Failure as failure:
            answer = {"failure": [failure.text, failure.code, list(failure.mark)]}
        text = json.dumps({"token": asked["token"], **answer})
        place.with_suffix(".result").write_text(text, encoding="utf-8")
    os._exit(0)  # without waiting for threads, or for what was registered for the exit


def _evaluated(exercise: Exercise, source: str, sandbox: Sandbox) -> Parts:
    lines = source.splitlines(keepends=True)
    linecache.cache[FILE_NAME] = (len(source), None, lines, FILE_NAME)  # for `inspect.getsource`
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(source, FILE_NAME, "exec"), names)
    except (Exception, SystemExit) as error:
        raise Failure(
            "Its definition, taken out of the notebook, raised an error:",
            f"{type(error).__name__}: {error}",
        ) from error
    return exercise.evaluate(names[ANSWER], sandbox)


if __name__ == "__main__":
    main()
