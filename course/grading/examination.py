"""Has answers graded, one after the other, by a process that outlives none that misbehaves."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from course.errors import GradingFailed
from course.grading.environment import bare_environment
from course.grading.limits import Limits, Watch
from course.grading.schemas import examinee_url
from course.stopping import check_for_stop
from servers.postgres import EmbeddedServer, temporary_server

ANSWER_SECONDS = 150  # one statement of an answer may take 30, and a check runs several


class Outcome(StrEnum):
    """What became of one exercise."""

    RIGHT = "right"
    WRONG = "wrong"
    UNTRIED = "not tried"
    MISSING = "no notebook"
    UNCHECKED = "not checked"


@dataclass(frozen=True)
class Verdict:
    """What became of one exercise, and what the check said.

    Attributes:
        outcome: Right, wrong, not tried, without a notebook, or not checked: the last means that
            the check itself failed, which says nothing about the answer.
        text: The check's sentence.
        code: The database's or Python's own words, if it was an error.
        hint: The hint that a typical wrong answer deserves.
    """

    outcome: Outcome
    text: str = ""
    code: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Question:
    """One answer to be graded: the exercises' module, the exercise, the answer as data."""

    module: str
    exercise: str
    answer: dict[str, Any]


def examine(questions: Sequence[Question], limits: Limits) -> list[Verdict]:
    """Grade answers.

    Args:
        questions: What to grade.
        limits: The memory that grading one answer may take, the server's included.

    Returns:
        The verdicts, in the order of the questions.

    Raises:
        GradingFailed: No answer at all can be graded here.
        ServerError: No server can be started.
    """
    verdicts: list[Verdict] = []
    while len(verdicts) < len(questions):
        with _examiner(limits) as examiner:
            for question in questions[len(verdicts) :]:
                check_for_stop()
                verdicts.append(examiner.ask(question))
                if examiner.ended:
                    break  # the next one has a new process, and a new server
    return verdicts


class _Examiner:
    def __init__(self, process: subprocess.Popen[str], server: EmbeddedServer, limits: Limits):
        self._process = process
        self._server = server
        self._limits = Limits(ANSWER_SECONDS, limits.megabytes)

    @property
    def ended(self) -> bool:
        """Whether it has ended, by itself or by force, and another one is needed."""
        return self._process.poll() is not None

    def ask(self, question: Question) -> Verdict:
        """Return the verdict; an answer that takes too much ends the process and is wrong."""
        asked = {"module": question.module, "exercise": question.exercise}
        with Watch(self._limits) as watch:
            watch.include(self._process.pid, self._server.pid)
            line = self.say({**asked, "answer": question.answer})
        if line:
            said = json.loads(line)
            return Verdict(Outcome[said.pop("kind")], **said)
        self._process.wait()
        if watch.reason:
            return Verdict(Outcome.WRONG, f"Grading it was ended: {watch.reason}.")
        status = self._process.returncode
        return Verdict(Outcome.UNCHECKED, f"The process that grades ended with status {status}.")

    def say(self, data: Any) -> str:
        """Write one line and read one; an empty one where the process has ended."""
        assert self._process.stdin
        assert self._process.stdout
        with suppress(OSError):
            print(json.dumps(data), file=self._process.stdin, flush=True)
            return self._process.stdout.readline()
        return ""


@contextmanager
def _examiner(limits: Limits) -> Iterator[_Examiner]:
    with (
        tempfile.TemporaryDirectory(prefix="carlib-examiner-") as folder,
        temporary_server() as server,
    ):
        url = examinee_url(server)
        command = [sys.executable, "-P", "-m", "course.grading.examiner"]
        process = subprocess.Popen(
            [*command, str(limits.bytes)],
            cwd=folder,
            env=bare_environment(Path(folder), url, ""),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the command, which then ends this process
        )
        examiner = _Examiner(process, server, limits)
        try:
            if not examiner.say(url):
                raise GradingFailed(
                    "Expected the process that grades to be ready, but it ended. Its error stands "
                    "above; `carlib doctor` says what may be missing."
                )
            yield examiner
        finally:
            process.kill()
            process.communicate()
