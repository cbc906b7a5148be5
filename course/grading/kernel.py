"""The kernel that a learner's notebook is graded in: limited, and telling what is handed in.

    python -m course.grading.kernel BYTES -f CONNECTION_FILE

Each call of `check` first shows the answer as data, in a form that no reader of a notebook sees,
and then does what it always does. Whatever a notebook patches or prints here can only change which
answer it hands in, for the verdict is made elsewhere.
"""

import sys
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import publish_display_data
from sqlalchemy import Engine

from course.grading.limits import limit_this_process
from course.grading.source import source_of_answer
from course.grading.wire import parts_to_json
from exercises import notebook
from exercises.checking import check
from exercises.exercise import Exercise
from exercises.feedback import Feedback
from exercises.kinds import Function, Value
from exercises.tables import as_table

ANSWER_TYPE = "application/vnd.carlib.answer+json"
MAX_CHARACTERS = 2**20  # of one answer


def main() -> None:
    """Limit this process, then be an IPython kernel."""
    limit_this_process(int(sys.argv.pop(1)))
    notebook.check = check_and_hand_in
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()


def check_and_hand_in(exercise: Exercise, answer: object, engine: Engine) -> Feedback:
    """Stand in for `exercises.checking.check`."""
    data = {"exercise": exercise.name, **answer_to_json(exercise, answer, _cells())}
    publish_display_data({ANSWER_TYPE: data})
    return check(exercise, answer, engine)


def answer_to_json(exercise: Exercise, answer: object, cells: list[str]) -> dict[str, Any]:
    """Write an answer as data: its `form` says how to read its `content`.

    Args:
        exercise: What was asked.
        answer: What was handed in.
        cells: The text of the cells that ran, which hold the source of a function.

    Returns:
        `untried`; `text`, an SQL answer; `source`, Python text that defines a function; `value`, a
        result as `parts_to_json` writes it; or `other`, of which only the type's name is kept.
    """
    other = {"form": "other", "content": type(answer).__name__}
    if exercise.is_untried(answer):
        return {"form": "untried", "content": ""}
    if isinstance(exercise, Value):
        return {"form": "value", "content": parts_to_json({"": as_table(answer)})}
    if isinstance(exercise, Function):
        if not callable(answer):
            return other
        text, form = source_of_answer(cells, exercise.name), "source"
        if not text:
            return {"form": "other", "content": "function that is not in the cell of its check"}
    elif isinstance(answer, str):
        text, form = answer, "text"
    else:
        return other
    if len(text) > MAX_CHARACTERS:
        return {"form": "other", "content": f"text of {len(text):,} characters"}
    return {"form": form, "content": text}


def _cells() -> list[str]:
    history = getattr(get_ipython(), "history_manager", None)
    return list(history.input_hist_parsed) if history else []


if __name__ == "__main__":
    main()
