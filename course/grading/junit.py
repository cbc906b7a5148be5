"""Grades as JUnit XML, which CI services show test by test.

The form is the one that services agree on, as the "JUnit XML file format" page of the testmoapp
project on GitHub describes it: a suite for each notebook, a case for each exercise and one for the
notebook itself.
"""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from course.grading.examination import Outcome, Verdict
from course.grading.grades import LearnerGrade, LessonGrade

# What XML 1.0 can't hold, not even escaped ("Characters" in its specification).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENT = {Outcome.WRONG: "failure", Outcome.MISSING: "failure", Outcome.UNCHECKED: "error"}


def as_junit(grades: Sequence[LearnerGrade]) -> bytes:
    """Write the grades as a JUnit XML document.

    Returns:
        The document, in UTF-8. A wrong answer and one whose notebook is missing are failures, one
        not tried is skipped, one that could not be checked is an error, and so is a notebook that
        did not run through.
    """
    root = Element("testsuites", name="carlib grade")
    for one in grades:
        for lesson in one.lessons:
            _add_suite(root, one.name, lesson)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    indent(root)
    return tostring(root, encoding="utf-8", xml_declaration=True)


def _add_suite(root: Element, learner: str, lesson: LessonGrade) -> None:
    name = _legal(f"{learner}/{lesson.lesson}")
    suite = SubElement(root, "testsuite", name=name, time=f"{lesson.seconds:.1f}")
    if lesson.seconds or lesson.problems:
        case = SubElement(suite, "testcase", classname=name, name="the notebook runs through")
        if lesson.problems:
            error = SubElement(case, "error", message=_legal(lesson.problems[0]))
            error.text = _legal("\n".join(lesson.problems))
    for exercise, verdict in lesson.verdicts.items():
        case = SubElement(suite, "testcase", classname=name, name=exercise)
        _add_outcome(case, verdict)
    counts = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    for attribute, element in counts.items():
        suite.set(attribute, str(len(suite.findall(f"testcase/{element}"))))
    suite.set("tests", str(len(suite)))


def _add_outcome(case: Element, verdict: Verdict) -> None:
    if verdict.outcome is Outcome.UNTRIED:
        SubElement(case, "skipped", message=_legal(verdict.text))
    elif verdict.outcome in _ELEMENT:
        element = SubElement(case, _ELEMENT[verdict.outcome], message=_legal(verdict.text))
        said = (verdict.text, verdict.code, verdict.hint and f"Hint: {verdict.hint}")
        element.text = _legal("\n".join(part for part in said if part))


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
