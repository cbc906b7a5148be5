"""The process that gives verdicts; no learner's Python ever runs in it.

    python -m course.grading.examiner BYTES

Each line of its input is a question as JSON, each line of its output the verdict. The first names
the server. The process is one of its own since an SQL answer may return more than memory holds.
"""

import json
import sys
from contextlib import ExitStack
from typing import Any, cast

from sqlalchemy import Engine

from course.grading.limits import limit_this_process
from course.grading.schemas import clean_schema
from course.grading.wire import parts_from_json
from exercises.checking import check
from exercises.exercise import Exercise, Parts
from exercises.failure import Failure
from exercises.feedback import Feedback, Kind
from exercises.kinds import Function, Value
from exercises.notebook import exercises_of
from exercises.sandbox import Sandbox


class Returned:
    """An answer whose result is there already, as another process sent it."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def parts(self) -> Parts:
        """Return the result.

        Raises:
            Failure: There is none, since calling the function failed, or it is no result.
        """
        try:
            if "failure" in self._data:
                text, code, mark = self._data["failure"]
                raise Failure(str(text), str(code), tuple(map(str, mark)))
            return parts_from_json(self._data["parts"])
        except (ValueError, KeyError, TypeError) as error:
            raise Failure("What came back is no result.") from error


class WithReturned:
    """An exercise that takes a `Returned` for an answer, and is itself in all else."""

    def __init__(self, exercise: Exercise) -> None:
        self._exercise = exercise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exercise, name)

    def is_untried(self, answer: object) -> bool:
        """Like the exercise's own; a result is an answer."""
        return not isinstance(answer, Returned) and self._exercise.is_untried(answer)

    def evaluate(self, answer: object, sandbox: Sandbox) -> Parts:
        """Like the exercise's own; a result is its own evaluation."""
        if isinstance(answer, Returned):
            return answer.parts()
        return self._exercise.evaluate(answer, sandbox)


def verdict(exercise: Exercise, answer: dict[str, Any], engine: Engine) -> Feedback:
    """Check an answer as `answer_to_json` and `try_function` write it."""
    form, content = answer["form"], answer["content"]
    given: object
    if form == "untried":
        given = None
    elif form == "value" and isinstance(exercise, Value):
        given = Returned({"parts": content})
    elif form == "called" and isinstance(exercise, Function):
        given = Returned(content)
    elif form == "text" and not isinstance(exercise, Value | Function):
        given = str(content)
    else:  # of a type that the check refuses by its name
        given = type("".join(filter(str.isprintable, str(content)[:80])), (), {})()
    return check(cast(Exercise, WithReturned(exercise)), given, engine)


def main() -> None:
    """Answer one line after the other until the input ends."""
    limit_this_process(int(sys.argv[1]))
    out, sys.stdout = sys.stdout, sys.stderr
    url = json.loads(sys.stdin.readline())
    with ExitStack() as stack:
        engine = stack.enter_context(clean_schema(url))
        print("ready", file=out, flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            exercises = {one.name: one for one in exercises_of(asked["module"])}
            exercise = exercises[asked["exercise"]]
            try:
                said = verdict(exercise, asked["answer"], engine)
                if said.kind is Kind.UNCHECKED:  # an answer may have ended the connections
                    engine.dispose()
                    engine = stack.enter_context(clean_schema(url))
                    said = verdict(exercise, asked["answer"], engine)
            except MemoryError:
                said = Feedback(Kind.WRONG, exercise.name, "Its result is larger than memory.")
            except Exception as error:  # of the check: no verdict, and the next answer has its turn
                text = f"The check itself failed: {type(error).__name__}: {error}"
                said = Feedback(Kind.UNCHECKED, exercise.name, text)
            found = {"kind": said.kind.name, "text": said.text, "code": said.code}
            print(json.dumps({**found, "hint": said.hint}), file=out, flush=True)


if __name__ == "__main__":
    main()
