"""Executes a learner's notebook in a kernel of its own and keeps what it hands in."""

import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import zmq
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

from course.grading.environment import bare_environment
from course.grading.kernel import ANSWER_TYPE
from course.grading.limits import Limits, Watch, end_marked
from course.stopping import begin_clean_up, check_for_stop
from servers.postgres import EmbeddedServer

MESSAGE_BYTES = 16 * 2**20  # a kernel that sends a larger one is not listened to any more
MAX_PROBLEMS = 20
FORMS = ("untried", "text", "value", "source", "other")


@dataclass
class Sitting:
    """What came of executing one notebook.

    Attributes:
        exercises: The names of those that are asked.
        answers: For each exercise, the last answer that was handed in and was one, as
            `answer_to_json` writes it; `untried` where there was none but a check.
        problems: What went wrong, in order: cells that ended in an error, a limit that was reached.
        seconds: How long it took.
    """

    exercises: tuple[str, ...] = ()
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def hand_in(self, data: Any) -> None:
        """Keep an answer; what is not in the form of one is not kept."""
        with suppress(KeyError, TypeError):
            name, answer = data["exercise"], {"form": data["form"], "content": data["content"]}
            new = name not in self.answers
            if name in self.exercises and answer["form"] in FORMS and (new or _is_tried(answer)):
                self.answers[name] = answer

    def report(self, problem: str) -> None:
        """Keep a problem, unless there are very many."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def sit(
    cells: Sequence[tuple[int, str]],
    exercises: tuple[str, ...],
    server: EmbeddedServer,
    limits: Limits,
) -> Sitting:
    """Execute code cells one after the other; an error in one does not end the notebook.

    Args:
        cells: The number and the text of each.
        exercises: The names of those that are asked.
        server: The server that the notebook finds, as the user who may do everything there.
        limits: What the kernel and the server may take together.

    Returns:
        What was handed in until the end, or until a limit was reached. No process that the
        notebook started is alive any more.
    """
    sitting = Sitting(exercises)
    mark = secrets.token_hex(16)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="carlib-sitting-", ignore_cleanup_errors=True) as place:
        url = server.url.render_as_string(hide_password=False)
        environment = bare_environment(Path(place), url, mark)
        with Watch(limits) as watch:
            watch.include(server.pid)
            try:
                _run(cells, sitting, watch, environment, Path(place))
            except KeyboardInterrupt:
                begin_clean_up()
                raise
            finally:
                end_marked(mark)
    sitting.seconds = time.perf_counter() - started
    return sitting


def _run(
    cells: Sequence[tuple[int, str]],
    sitting: Sitting,
    watch: Watch,
    environment: Mapping[str, str],
    place: Path,
) -> None:
    context = zmq.Context()
    context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
    manager = KernelManager(context=context)
    manager.kernel_spec_manager = _LimitedKernel(watch.limits.bytes)
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    number: int | None = None
    try:
        manager.start_kernel(env=dict(environment), cwd=str(place), **silent)
        watch.include(getattr(manager.provisioner, "pid", None))
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=watch.left)
            for number, text in cells:
                check_for_stop()
                _execute(text, number, client, sitting, watch)
        finally:
            client.stop_channels()
    except (_Ended, RuntimeError) as error:  # the second: it did not even start
        at = "at its start" if number is None else f"in cell [{number}]"
        reason = watch.reason or f"the kernel ended ({_line(error)})"
        sitting.problems.append(f"The notebook was ended {at}: {reason}.")
    finally:
        with suppress(RuntimeError):
            manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        context.destroy(linger=0)


class _Ended(Exception):
    """The kernel is not there any more, or not listened to."""


def _execute(
    text: str, number: int, client: BlockingKernelClient, sitting: Sitting, watch: Watch
) -> None:
    """Run one cell and wait until the kernel says that it is done."""
    asked = client.execute(text, allow_stdin=False, stop_on_error=False)
    done = False
    while not done:
        if watch.reason:
            raise _Ended
        try:
            message = client.get_iopub_msg(timeout=0.5)
        except Empty:
            if not client.is_alive():
                raise _Ended("it exited by itself") from None
            continue
        except (ValueError, zmq.ZMQError) as error:  # not signed, or not in the protocol's form
            raise _Ended("it sent what is no message") from error
        kind, content = message["msg_type"], message["content"]
        with suppress(AttributeError, KeyError, TypeError):  # any message may be a learner's own
            if kind == "error":
                said = _line(f"{content['ename']}: {content['evalue']}")
                sitting.report(f"Cell [{number}] ended in an error: {said}.")
            elif kind == "display_data":
                sitting.hand_in(content["data"][ANSWER_TYPE])
            elif kind == "status" and message["parent_header"]["msg_id"] == asked:
                done = content["execution_state"] == "idle"


class _LimitedKernel(KernelSpecManager):
    """Knows one spec: the kernel of this Python, with its limits."""

    def __init__(self, memory: int) -> None:
        super().__init__()
        self._command = [sys.executable, "-m", "course.grading.kernel", str(memory)]

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [*self._command, "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="grading", language="python")


def _is_tried(answer: Mapping[str, Any]) -> bool:
    return answer["form"] != "untried"


def _line(text: object, length: int = 200) -> str:
    """The first line of a text, without what a terminal would take as a command."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(text))
    line = next((one.strip() for one in plain.splitlines() if one.strip()), "")
    return "".join(c if c.isprintable() else "?" for c in line)[:length].rstrip(" .:")
