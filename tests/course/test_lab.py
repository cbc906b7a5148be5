"""`carlib lab`: JupyterLab on a lesson, for this machine and this person only."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from tiny_lessons import write_lesson

# Requests go to this machine, whatever proxy the environment names.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Lab(NamedTuple):
    """A running JupyterLab: its process, its address with a final slash, its token, its root."""

    process: subprocess.Popen
    url: str
    token: str
    root: Path

    def get(self, path: str, token: str | None = None, put: object = None) -> bytes:
        request = urllib.request.Request(self.url + path)
        if token:
            request.add_header("Authorization", f"token {token}")
        if put is not None:
            request.method, request.data = "PUT", json.dumps(put).encode()
        with OPENER.open(request, timeout=60) as response:
            return response.read()


@contextmanager
def _running(root: Path, *words: str) -> Iterator[Lab]:
    write_lesson(root / "notebooks", "01_first")
    write_lesson(root / "notebooks", "02_second")
    runtime = root / "runtime"
    log = root / "log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER_")}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "course", "lab", *words, "--no-browser"),
                *("--notebooks", root / "notebooks"),
                # Tests may run as root, for which Jupyter wants to be told so; people need not.
                *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            ],
            env=kept | {"JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_CONFIG_DIR": str(root)},
            stdout=stream,
            stderr=stream,
        )
    try:
        end = time.monotonic() + 120
        while not (found := list(runtime.glob("jpserver-*.json"))):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        time.sleep(0.2)  # the file is there, now its content
        info = json.loads(found[0].read_text())
        yield Lab(process, info["url"], info["token"], root)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with _running(tmp_path_factory.mktemp("course"), "second") as running:
        yield running


def test_it_listens_on_this_machine_only(lab: Lab) -> None:
    process = psutil.Process(lab.process.pid)
    listening = [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


def test_it_answers_nobody_without_the_token(lab: Lab) -> None:
    assert len(lab.token) >= 32
    for token in (None, "guessed"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            lab.get("api/contents", token)
        assert refused.value.code == 403
        refused.value.close()


def test_it_opens_the_copy_of_the_lesson_that_was_named(lab: Lab) -> None:
    log = (lab.root / "log").read_text()
    assert re.search(
        r"http://127\.0\.0\.1:\d+/lab/tree/workbook/1_tiny/02_second\.ipynb\?token", log
    )
    assert "Added to it: 1_tiny/01_first, 1_tiny/02_second." in log
    listed = json.loads(lab.get("api/contents/workbook/1_tiny", lab.token))
    assert {entry["name"] for entry in listed["content"]} == {"01_first.ipynb", "02_second.ipynb"}


def test_its_kernel_is_this_python(lab: Lab) -> None:
    specs = json.loads(lab.get("api/kernelspecs", lab.token))
    assert specs["default"] == "python3"
    assert specs["kernelspecs"]["python3"]["spec"]["argv"][0] == sys.executable


def test_a_copy_can_be_saved_and_an_original_can_not(lab: Lab) -> None:
    before = (lab.root / "notebooks/1_tiny/01_first.ipynb").read_bytes()
    for folder, writable in (("workbook", True), ("notebooks", False)):
        path = f"api/contents/{folder}/1_tiny/01_first.ipynb"
        model = json.loads(lab.get(path, lab.token))
        assert model["writable"] is writable
        model["content"]["cells"][0]["source"] = "# Mine"
        if writable:
            lab.get(path, lab.token, put=model)
        else:
            with pytest.raises(urllib.error.HTTPError) as refused:
                lab.get(path, lab.token, put=model)
            assert refused.value.code == 403
            assert b"Your copy is in the folder workbook" in refused.value.read()
            refused.value.close()
    assert (lab.root / "notebooks/1_tiny/01_first.ipynb").read_bytes() == before
    assert "# Mine" in (lab.root / "workbook/1_tiny/01_first.ipynb").read_text("utf-8")


def test_authors_open_and_save_the_originals(tmp_path: Path) -> None:
    with _running(tmp_path, "01", "--original") as lab:
        log = (lab.root / "log").read_text()
        assert "/lab/tree/notebooks/1_tiny/01_first.ipynb?token" in log
        path = "api/contents/notebooks/1_tiny/01_first.ipynb"
        lab.get(path, lab.token, put=json.loads(lab.get(path, lab.token)))
    assert not (tmp_path / "workbook").exists()
