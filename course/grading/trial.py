"""Has a handed-in function called in a process of its own, within limits."""

import json
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from course.grading.environment import bare_environment
from course.grading.limits import Limits, Watch, end_marked
from course.stopping import check_for_stop

RESULT_BYTES = 16 * 2**20


def try_function(
    module: str, exercise: str, source: str, url: str, limits: Limits
) -> dict[str, Any]:
    """Call a function as its exercise wants it called.

    Args:
        module: The exercises' module, such as ``lesson_02``.
        exercise: The exercise's name.
        source: Python text that defines the function, from `source_of_answer`.
        url: A server for it, whose data nobody needs any more.
        limits: What it may take.

    Returns:
        `{"parts": …}` as `parts_to_json` writes them, or `{"failure": [text, code, mark]}`. Both
        come from a process that ran the learner's code: they are to be read as such.
    """
    mark, token = secrets.token_hex(16), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="carlib-trial-", ignore_cleanup_errors=True) as folder:
        asked = {"module": module, "exercise": exercise, "source": source, "url": url}
        question = Path(folder, "question")
        question.write_text(json.dumps({**asked, "token": token}), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "course.grading.function_process"]
        with Watch(limits) as watch:
            process = subprocess.Popen(
                [*command, str(limits.bytes), str(question)],
                cwd=folder,
                env=bare_environment(Path(folder), url, mark),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            watch.include(process.pid)
            try:
                process.wait()
            finally:
                end_marked(mark)
                process.wait()
        check_for_stop()
        if watch.reason:
            return _failed(f"The function was ended: {watch.reason}.")
        return _result(question.with_suffix(".result"), token)


def _result(place: Path, token: str) -> dict[str, Any]:
    try:
        with place.open("rb") as stream:
            found = json.loads(stream.read(RESULT_BYTES))
        if secrets.compare_digest(str(found.pop("token")), token) and len(found) == 1:
            return found
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        pass
    return _failed("The function ended the process in which it was called, or its result is huge.")


def _failed(text: str) -> dict[str, Any]:
    return {"failure": [text, "", [text, ""]]}
