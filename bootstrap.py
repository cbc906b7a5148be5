"""Make `.venv` with the locked packages, and the project in place; what is there stays as it is.

`python3 bootstrap.py` (Windows: `py bootstrap.py`) installs what lessons need, and
`python3 bootstrap.py dev` also what tests, benchmarks and the book need.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # an old Python must get this far: no newer syntax in this file
    sys.exit(
        f"The workbook needs Python 3.11 or newer, this is {sys.version.split()[0]}. Name a newer "
        "one: `PYTHON=python3.13 make run` (Windows: `py -3.13 bootstrap.py`)."
    )
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "set-up.json"
PIP = (PYTHON, "-m", "pip", "install", "--quiet", "--no-deps")


def run(*command):
    """Run a command, which shows its own errors; return whether it succeeded."""
    settings = {"UV_SYSTEM_CERTS": "1", **os.environ, "PIP_USER": "0"}  # certificates: as pip does
    return subprocess.run(command, cwd=ROOT, env=settings).returncode == 0


def find_uv():
    """Return the path of the user's uv, else of the locked one, fetched into .venv, else None."""
    folder, lock = VENV / "uv", (ROOT / "requirements" / "dev.txt").read_text("utf-8")
    if not shutil.which("uv"):
        folder.mkdir()
        (folder / "uv.txt").write_text(re.search(r"(?ms)^uv==.+?[^\\]$", lock)[0], "utf-8")
        run(*PIP, "--require-hashes", "--target", folder, "-r", folder / "uv.txt")
    return shutil.which("uv") or shutil.which("uv", path=str(folder / "bin"))


def install(tool, locks):
    """Install the locked packages, then the project, which has no hash; return success."""
    hashed = ["--require-hashes", *(option for lock in locks for option in ("-r", lock))]
    return run(*tool, *hashed) and run(*tool, "--no-build-isolation", "-e", ROOT)


def main():
    """Compare what is installed with what is asked for, and install what is missing."""
    locks = [ROOT / "requirements" / f"{name}.txt" for name in ("core", *sys.argv[1:])]
    project = (ROOT / "pyproject.toml").read_bytes()
    wanted = {lock.stem: hashlib.sha256(lock.read_bytes() + project).hexdigest() for lock in locks}
    place = {"folder": str(ROOT), "python": list(sys.version_info[:2])}
    try:
        state = json.loads(STAMP.read_text("utf-8"))
    except (OSError, ValueError):  # none, or that of an interrupted set-up
        state = {}
    asked = place if os.environ.get("PYTHON") else {"folder": str(ROOT)}  # else any Python is fine
    keep = asked.items() <= state.items() and PYTHON.exists()
    if keep and wanted.items() <= state.items():
        return
    print(f"set-up: installing the {' and '.join(wanted)} packages into .venv, once", flush=True)
    STAMP.unlink(missing_ok=True)
    if not keep:  # not by sys.executable, which may lie in the very .venv that is cleared here
        state, base = place, getattr(sys, "_base_executable", sys.executable)
        if not run(base, "-m", "venv", "--clear", VENV):
            sys.exit("set-up: no .venv. On Debian and Ubuntu: `sudo apt install python3-venv`.")
    tools = [[find_uv(), "pip", "install", "--quiet", "--no-deps", "--python", PYTHON], PIP]
    done = any(tool[0] and install(tool, locks) for tool in tools)
    shutil.rmtree(VENV / "uv", ignore_errors=True)
    if done or keep:  # an outage is no reason to throw away what was complete
        STAMP.write_text(json.dumps({**state, **(wanted if done else {})}), "utf-8")
    if not done:
        sys.exit("set-up: check the network, the disk's space and whether Python is 3.11 to 3.13.")


if __name__ == "__main__":
    main()
