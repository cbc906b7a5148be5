"""Set the workbook up: a folder `.venv` holding Python, the locked packages and carlib itself.

    python3 bootstrap.py        on Linux and macOS (`make` does it before every target)
    py bootstrap.py             on Windows

Uses nothing but the standard library. Where the environment is complete it does nothing; one that
was interrupted, moved, or made by a Python that is gone is built again. `PYTHON=python3.13` in the
process environment asks for that Python, else an existing `.venv` keeps the one it has. uv installs
the packages: the one on the PATH, else the one that the lock pins; where that fails, pip does.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

OLDEST = (3, 11)
if sys.version_info < OLDEST:  # an old Python must get as far as this line: no newer syntax here
    sys.exit(
        f"The workbook needs Python 3.11 or newer, this is {sys.version.split()[0]}. Name a newer "
        "one: `PYTHON=python3.13 make run` (Windows: `py -3.13 bootstrap.py`)."
    )

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STATE = VENV / "set-up.json"
UNFINISHED = "unfinished"


class SetUpError(Exception):
    """The environment could not be made; the message says what to do."""


def say(text: str) -> None:
    """Print one line of progress, at once."""
    print(f"set-up: {text}", flush=True)


def fingerprint() -> str:
    """Return a hash of all that decides what is installed: of content, as clones reset times."""
    import tomllib  # new in 3.11: at the top, an old Python would stop there without advice

    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = {name: metadata[name] for name in ("build-system", "project")}
    parts["lock"] = LOCK.read_text(encoding="utf-8")
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def needed(wanted: str) -> str:
    """Return what is to be done: "nothing", "update" (install into it) or "build" (from none)."""
    command = [PYTHON, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "build"
    version = tuple(int(part) for part in answer.stdout.split())
    if version < OLDEST or (os.environ.get("PYTHON") and version != sys.version_info[:2]):
        return "build"
    try:
        state = json.loads(STATE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "update"  # made by hand: keep it and add what is missing
    if state["content"] == UNFINISHED or state["folder"] != str(ROOT):
        return "build"  # scripts inside name their folder: in a moved one they point elsewhere
    return "nothing" if state["content"] == wanted else "update"


def record(content: str) -> None:
    """Write down what the environment holds, or that it is unfinished."""
    STATE.write_text(json.dumps({"folder": str(ROOT), "content": content}), encoding="utf-8")


@contextlib.contextmanager
def alone():
    """Hold the lock of this folder's set-up; the system frees it when its holder dies."""
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build" / "set-up.lock", "a+b") as handle:
        if not try_lock(handle):
            say("another one is at work in this folder; waiting for it")
            while not try_lock(handle):
                time.sleep(0.2)
        # Programs started meanwhile hold it too: one may outlive this process when it is killed.
        os.set_inheritable(handle.fileno(), True)
        yield


def try_lock(handle) -> bool:
    """Lock an open file for this process without waiting; closing it frees the lock."""
    try:
        if os.name == "nt":
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def run(*command) -> str | None:
    """Run a command, showing only large downloads; return None, or its last lines if it fails."""
    settings = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    settings.setdefault("UV_SYSTEM_CERTS", "1")  # as pip: the system may know a proxy's certificate
    settings.pop("VIRTUAL_ENV", None)  # another environment may be active in this shell
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "close_fds": False}
    last = deque(maxlen=12)
    with subprocess.Popen(
        command, env=settings, cwd=ROOT, text=True, errors="replace", **pipe
    ) as p:
        for line in p.stdout:
            last.append(line.rstrip())
            large = re.match(r"\s*Downloading ([\w.]+?)(?:-\d\S*)? \((\d+)\.?\d* ?Mi?B\)", line)
            if large and int(large[2]) >= 5:
                say(f"downloading {large[1]} ({large[2]} MB)")
    return "\n".join(last) or "(it said nothing)" if p.returncode else None


def build() -> None:
    """Put an empty environment in the place of what is there."""
    if VENV.exists():  # renamed before it is removed: never half an environment in its place
        VENV.rename(ROOT / f".venv-old-{os.getpid()}")
    for old in ROOT.glob(".venv-old-*"):
        shutil.rmtree(old, ignore_errors=True)
    say(f"making .venv with Python {sys.version.split()[0]}")
    VENV.mkdir()
    record(UNFINISHED)
    # Not sys.executable: that may lie in another environment, or in the one just removed.
    base = getattr(sys, "_base_executable", None) or sys.executable
    problem = run(base, "-m", "venv", "--without-pip", VENV)
    if problem:
        raise SetUpError(f"{base} could not make .venv:\n{problem}")


def provide_pip() -> None:
    """Make sure that the environment has pip."""
    if run(PYTHON, "-m", "pip", "--version") is None:
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise SetUpError(
            "this Python comes without venv and pip. Install them (Debian, Ubuntu: `sudo apt "
            "install python3-venv`), or install uv, then type the same command again."
        )
    problem = run(PYTHON, "-m", "ensurepip")
    if problem:
        raise SetUpError(f"pip could not be put into .venv:\n{problem}")


def pinned(package: str) -> str:
    """Return the lock's lines for one package: its version and its hashes."""
    text = LOCK.read_text(encoding="utf-8")
    return re.search(rf"(?ms)^{re.escape(package)}==.+?[^\\]$", text)[0] + "\n"


def find_uv() -> Path | None:
    """Return the user's uv, else the locked one, installed by pip if need be; None: use pip."""
    found = shutil.which("uv")
    if found:
        return Path(found)
    uv = PYTHON.with_name("uv.exe" if os.name == "nt" else "uv")
    if not uv.exists():
        provide_pip()
    listing = subprocess.run(
        [PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True
    )
    if re.search(r"(?m)^\S+\.(index-url|no-index|proxy|client-cert)=", listing.stdout):
        return None  # a mirror or proxy that only pip was told of: uv would go past it
    if not uv.exists():
        say("fetching uv, which installs faster than pip")
        with tempfile.TemporaryDirectory() as folder:
            only_uv = Path(folder, "uv.txt")
            only_uv.write_text(pinned("uv"), encoding="utf-8")
            options = ("--require-hashes", "--only-binary", ":all:", "--no-deps")
            run(PYTHON, "-m", "pip", "install", *options, "-r", only_uv)
    return uv if uv.exists() else None


def install_with(*tool) -> str | None:
    """Install the locked packages, then carlib as editable; return None or what went wrong."""
    return run(*tool, "--require-hashes", "--no-deps", "-r", LOCK) or run(
        *tool, "--no-build-isolation", "--no-deps", "-e", ROOT
    )


def install() -> None:
    """Install with uv, or else with pip."""
    uv = find_uv()
    if uv:
        say("installing the packages of requirements.lock with uv")
        problem = install_with(uv, "pip", "install", "--python", PYTHON)
        if not problem:
            return
        reason = re.search(r"(?mi)^.*error.*$|[^\n]*\Z", problem)[0].strip()
        say(f"uv could not do it ({reason})")
    provide_pip()
    say("installing the packages of requirements.lock with pip, which takes a minute")
    problem = install_with(PYTHON, "-m", "pip", "install")
    if problem:
        raise SetUpError(
            f"the packages could not be installed:\n{problem}\n"
            "Check the network, the disk's space, and that your Python is one of 3.11 to 3.13, "
            "then type the same command again. If that does not help, delete .venv first."
        )


def main() -> None:
    """Do what is needed, one process at a time."""
    wanted, started = fingerprint(), time.monotonic()
    if needed(wanted) == "nothing":
        return
    with alone():
        task = needed(wanted)  # again: another one may just have done it
        if task == "nothing":
            return
        if task == "build":
            build()
        record(UNFINISHED)  # if killed from here on, the next run builds again
        try:
            install()
        except SetUpError:
            if task == "update":
                record("incomplete")  # an outage is no reason to throw an environment away
            raise
        record(wanted)
    say(f"ready after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except SetUpError as error:
        sys.exit(f"set-up: {error}")
    except OSError as error:
        sys.exit(f"set-up: {error}. Close what uses .venv, or delete the folder, and try again.")
    except KeyboardInterrupt:
        sys.exit("set-up: interrupted; the next run starts again")
