"""JupyterLab as `make lab` starts it, on a copy of lessons, with a data folder of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_client import BlockingKernelClient

from course.lessons import find_lessons
from servers.postgres import EmbeddedServer

SECONDS = 180  # until something must have happened; other work may make the machine slow
# So that a test can ask the page what its cells say; nothing is done through it.
OBSERVABLE = "--LabApp.expose_app_in_browser=True"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab.

    Attributes:
        address: What it prints for who opens it by hand, token included.
        runtime: The folder with the connection files of its kernels.
    """

    address: str
    runtime: Path

    def evaluate(self, kernel_id: str, expression: str, preparation: str = "") -> object:
        """Ask a kernel, behind the page's back, for the JSON of an expression's value."""
        client = BlockingKernelClient()
        client.load_connection_file(str(self.runtime / f"kernel-{kernel_id}.json"))
        client.start_channels()
        try:
            client.wait_for_ready(timeout=SECONDS)
            reply = client.execute(
                preparation,
                store_history=False,
                user_expressions={"value": f"__import__('json').dumps({expression})"},
                reply=True,
                timeout=SECONDS,
            )["content"]
        finally:
            client.stop_channels()
        assert reply["status"] == "ok", reply
        found = reply["user_expressions"]["value"]
        assert found["status"] == "ok", found
        return json.loads(eval(found["data"]["text/plain"], {"__builtins__": {}}))


@contextmanager
def running_lab(folder: Path, notebooks: Path, lesson: str) -> Iterator[Lab]:
    """Run ``carlib lab`` on a free port, with settings, kernels and data of its own.

    Args:
        folder: Where it may write; empty.
        notebooks: The lessons, as ``<part>/NN_<name>.ipynb``.
        lesson: The one to open.
    """
    runtime, log = folder / "runtime", folder / "log"
    data = Path(tempfile.mkdtemp(prefix="carlib-lab-"))  # as in conftest: not tmp_path
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "CARLIB_", "PYTEST_"))
    } | {
        "CARLIB_DATA_DIR": str(data),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    # Tests may run as root, for which Jupyter wants to be told so; people need not.
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "course.cli", "lab", lesson, "--no-browser", OBSERVABLE, *root]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--notebooks", str(notebooks)],
            cwd=folder,
            env=environment,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield Lab(_address(process, log), runtime)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:  # it waits for ever for a kernel that is just starting
            process.kill()
            process.wait()
        EmbeddedServer(data, temporary=True).close()
        shutil.rmtree(data, ignore_errors=True)


def _address(process: subprocess.Popen, log: Path) -> str:
    end = time.monotonic() + SECONDS
    while True:
        said = log.read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab/tree/\S+\?token=\w+", said):
            return found[0]
        assert process.poll() is None, said
        assert time.monotonic() < end, said
        time.sleep(0.1)


def copy_lessons(notebooks: Path, rows: int) -> list[Path]:
    """Copy every lesson, without its outputs, set to few rows; returns the copies.

    A copy without outputs shows nothing but what its kernel sends.
    """
    copies = []
    for lesson in find_lessons():
        notebook = lesson.notebook
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            if "parameters" in cell.metadata.get("tags", []):
                cell.source = re.sub(r"^rows = .*", f"rows = {rows}", cell.source, flags=re.M)
        copy = notebooks / lesson.part / lesson.path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, copy)
        copies.append(copy)
    return copies
