"""Grades as a table to read and as JSON."""

from collections.abc import Sequence
from typing import Any

from course.grading.examination import Outcome
from course.grading.grades import LearnerGrade, LessonGrade


def as_table(grades: Sequence[LearnerGrade]) -> str:
    """Write one line a learner and one column a lesson, then what went wrong.

    Returns:
        Lines of printable text; `3/5` is three of five right, `-` no notebook, and a `!` behind it
        says that the notebook did not run through: the reason is below the table.
    """
    lessons = [lesson.lesson.split("/")[-1] for lesson in grades[0].lessons] if grades else []
    rows = [["learner", *lessons, "right"]]
    rows += [
        [_printable(one.name), *map(_short, one.lessons), f"{one.right}/{one.asked}"]
        for one in grades
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    for one in grades:
        for lesson in one.lessons:
            lines += [_printable(f"{one.name} {lesson.lesson}: {p}") for p in lesson.problems]
        lines += [_printable(f"{one.name}, left out: {text}") for text in one.left_out]
    return "\n".join(lines)


def as_json(grades: Sequence[LearnerGrade], settings: dict[str, Any]) -> dict[str, Any]:
    """Write everything that is known, as plain data.

    Args:
        grades: The grades.
        settings: With what they were made: limits, parameters, versions.
    """
    return {
        "settings": settings,
        "learners": [
            {
                "name": one.name,
                "right": one.right,
                "asked": one.asked,
                "left_out": one.left_out,
                "lessons": [
                    {
                        "lesson": lesson.lesson,
                        "right": lesson.right,
                        "asked": len(lesson.verdicts),
                        "ran_through": _has_notebook(lesson) and not lesson.problems,
                        "problems": lesson.problems,
                        "seconds": round(lesson.seconds, 1),
                        "exercises": [
                            {
                                "name": name,
                                "outcome": str(verdict.outcome),
                                "text": verdict.text,
                                "code": verdict.code,
                                "hint": verdict.hint,
                                "answer": lesson.answers.get(name, ""),
                            }
                            for name, verdict in lesson.verdicts.items()
                        ],
                    }
                    for lesson in one.lessons
                ],
            }
            for one in grades
        ],
    }


def _short(lesson: LessonGrade) -> str:
    if not _has_notebook(lesson):
        return "-"
    return f"{lesson.right}/{len(lesson.verdicts)}{' !' if lesson.problems else ''}"


def _has_notebook(lesson: LessonGrade) -> bool:
    return any(one.outcome is not Outcome.MISSING for one in lesson.verdicts.values())


def _printable(text: str) -> str:
    """The text without what a terminal would take as a command."""
    return "".join(c if c.isprintable() else "?" for c in text)
