"""Grades notebooks: all of them executed first, then, with no learner's code alive, all graded."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from course.grading.examination import Outcome, Question, Verdict, examine
from course.grading.limits import Limits
from course.grading.schemas import examinee_url
from course.grading.sitting import Sitting, sit
from course.grading.submissions import Assignment, Learner, Submission, key_of
from course.grading.trial import try_function
from course.parameters import convert
from servers.postgres import temporary_server

UNTRIED = {"form": "untried", "content": ""}


@dataclass
class LessonGrade:
    """How one learner did in one lesson.

    Attributes:
        lesson: Its part and name: ``1_core/01_schema``.
        verdicts: For each exercise that the lesson asks, in its order.
        answers: What was handed in: SQL, or the source of a function.
        problems: What kept the notebook from running through; empty if nothing did.
        seconds: How long executing it took.
    """

    lesson: str
    verdicts: dict[str, Verdict]
    answers: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def right(self) -> int:
        """How many exercises are right."""
        return sum(one.outcome is Outcome.RIGHT for one in self.verdicts.values())


@dataclass
class LearnerGrade:
    """How one learner did in all lessons, and which notebooks were left out."""

    name: str
    lessons: list[LessonGrade]
    left_out: list[str]

    @property
    def right(self) -> int:
        """How many exercises are right."""
        return sum(lesson.right for lesson in self.lessons)

    @property
    def asked(self) -> int:
        """How many exercises there are."""
        return sum(len(lesson.verdicts) for lesson in self.lessons)


def grade_learners(
    learners: Sequence[Learner],
    wanted: Sequence[Assignment],
    limits: Limits,
    values: Mapping[str, object] | None = None,
) -> Iterator[str | list[LearnerGrade]]:
    """Execute and grade the notebooks of all learners.

    Args:
        learners: From `find_learners`: their notebooks are in memory already, so that none of them
            can change another's.
        wanted: The lessons; an exercise of one that was not handed in is not right.
        limits: For each notebook, and for each function in it.
        values: Parameters to be set instead of the lessons' own.

    Yields:
        A line of progress after each notebook, and at last the grades.

    Raises:
        GradingFailed: Nothing can be graded here.
        ServerError: No server can be started.
    """
    total = sum(len(learner.submissions) for learner in learners)
    done: dict[tuple[str, str], Sitting] = {}
    for learner in learners:
        for one in wanted:
            key = key_of(one.lesson)
            if key not in learner.submissions:
                continue
            submission = learner.submissions[key]
            sitting = execute(submission, one, limits, values or {})
            done[learner.name, key] = sitting
            state = "; ".join(sitting.problems[:1]) or "ran through"
            yield f"[{len(done)}/{total}] {learner.name} {key}  {sitting.seconds:.1f} s  {state}"
    handed_in = [
        (name, key, exercise, answer)
        for (name, key), sitting in done.items()
        for exercise, answer in sitting.answers.items()
    ]
    modules = {key_of(one.lesson): one.module for one in wanted}
    questions = [Question(modules[key], exercise, a) for _, key, exercise, a in handed_in]
    verdicts = examine(questions, limits) if questions else []
    said = {entry[:3]: verdict for entry, verdict in zip(handed_in, verdicts, strict=True)}
    yield [
        LearnerGrade(
            learner.name,
            [_lesson_grade(learner, one, done, said) for one in wanted],
            learner.left_out,
        )
        for learner in learners
    ]


def execute(
    submission: Submission, assignment: Assignment, limits: Limits, values: Mapping[str, object]
) -> Sitting:
    """Execute one notebook, and the functions that it hands in."""
    if submission.problem:
        return Sitting(problems=[submission.problem])
    started = time.perf_counter()
    with temporary_server() as server:
        sitting = sit(_cells(submission, assignment, values), assignment.exercises, server, limits)
    asked = {name: sitting.answers.get(name, UNTRIED) for name in assignment.exercises}
    sources = {name: one["content"] for name, one in asked.items() if one["form"] == "source"}
    if sources:
        with temporary_server() as server:
            url = examinee_url(server)
            for name, source in sources.items():
                result = try_function(assignment.module, name, str(source), url, limits)
                asked[name] = {"form": "called", "content": result, "source": str(source)}
    sitting.answers = asked
    sitting.seconds = time.perf_counter() - started
    return sitting


def _cells(
    submission: Submission, assignment: Assignment, values: Mapping[str, object]
) -> list[tuple[int, str]]:
    """The cells, numbered, with the lesson's own parameters in the place of the learner's."""
    own = assignment.lesson.parameters
    chosen = own | {name: convert(name, values[name], own[name]) for name in own if name in values}
    # The schema is the grader's; the server it is on goes after the notebook.
    chosen |= {"schema": f"grading_{assignment.lesson.number}"} if "schema" in own else {}
    injected = "\n".join(f"{name} = {value!r}" for name, value in chosen.items())
    cells = list(enumerate(submission.cells, 1))
    place = submission.parameters_cell
    return [*cells[:place], (place, injected), *cells[place:]]


def _lesson_grade(
    learner: Learner,
    assignment: Assignment,
    done: Mapping[tuple[str, str], Sitting],
    said: Mapping[tuple[Any, ...], Verdict],
) -> LessonGrade:
    key = key_of(assignment.lesson)
    sitting = done.get((learner.name, key))
    if sitting is None:
        missing = Verdict(Outcome.MISSING, "There is no notebook of this lesson.")
        return LessonGrade(key, dict.fromkeys(assignment.exercises, missing))
    untried = Verdict(Outcome.UNTRIED, "No answer was handed to its check.")
    return LessonGrade(
        key,
        {name: said.get((learner.name, key, name), untried) for name in assignment.exercises},
        {name: text for name, one in sitting.answers.items() if (text := _text(one))},
        sitting.problems,
        sitting.seconds,
    )


def _text(answer: Mapping[str, Any]) -> str:
    if answer["form"] == "text":
        return str(answer["content"])
    return str(answer.get("source", ""))
