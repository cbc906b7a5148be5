"""Make the folder `.venv`: Python with the locked packages, and this project in place.

    python3 bootstrap.py         what the lessons need    (Windows: py bootstrap.py)
    python3 bootstrap.py dev     and what the tests, the benchmarks and the book need

Where all of that is there, nothing is done. `.venv` gets the Python that runs this.
"""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  an old Python must get here: no newer syntax above
    sys.exit(
        f"The workbook needs Python 3.11 or newer, this is {sys.version.split()[0]}. Name a newer "
        "one: `PYTHON=python3.13 make run` (Windows: `py -3.13 bootstrap.py`)."
    )

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
SCRIPTS = VENV / ("Scripts" if os.name == "nt" else "bin")
PIP = (SCRIPTS / "python", "-m", "pip", "install", "-qq")
STAMP = VENV / "installed.txt"  # written last: without it, .venv is incomplete


def run(*command):
    """Run a command, which prints its own errors, and say whether it succeeded."""
    # UV_SYSTEM_CERTS: the system may know a proxy's certificate, and pip asks it too.
    settings = {"UV_SYSTEM_CERTS": "1", **os.environ, "PIP_USER": "0"}
    try:
        return not subprocess.run(list(map(str, command)), cwd=ROOT, env=settings).returncode
    except OSError:
        return False


def install(tool, locks):
    """Install the packages of the locks, each checked by its hash, then the project in place."""
    lists = [word for lock in locks for word in ("-r", lock)]
    project = ("--no-build-isolation", "--no-deps", "-e", ROOT)
    return run(*tool, "--require-hashes", "--no-deps", *lists) and run(*tool, *project)


def get_uv():
    """Return uv, which installs ten times as fast as pip, as the lock pins it."""
    lock = (ROOT / "requirements" / "core.txt").read_text(encoding="utf-8")
    pin = VENV / "uv.txt"
    pin.write_text(re.search(r"(?ms)^uv==.+?[^\\]$", lock)[0], encoding="utf-8")
    run(*PIP, "--require-hashes", "--no-deps", "-r", pin)
    return SCRIPTS / "uv"


def main(parts):
    """Bring `.venv` to what the parts need; exit with a sentence where that fails."""
    origin = f"Python {sys.version.split()[0]} in {ROOT}"
    stamp = STAMP.read_text(encoding="utf-8").splitlines() if STAMP.exists() else []
    if stamp[:1] != [origin]:  # incomplete, moved, or of another Python
        print("set-up: making .venv", flush=True)
        if not run(sys.executable, "-m", "venv", "--clear", VENV):
            sys.exit("set-up: .venv could not be made. On Debian: `sudo apt install python3-venv`.")
        stamp = [origin]
    parts = sorted({"core", *parts, *(line.split()[0] for line in stamp[1:])})
    locks = [ROOT / "requirements" / f"{part}.txt" for part in parts]
    project = (ROOT / "pyproject.toml").read_bytes()
    hashes = [hashlib.sha256(lock.read_bytes() + project).hexdigest() for lock in locks]
    wanted = [origin, *(f"{part} {digest}" for part, digest in zip(parts, hashes, strict=True))]
    if stamp == wanted:
        return
    print(f"set-up: installing the packages of {' and '.join(parts)}", flush=True)
    STAMP.unlink(missing_ok=True)
    uv = (get_uv(), "pip", "install", "--quiet", "--python", SCRIPTS / "python")
    if not install(uv, locks) and not install(PIP, locks):
        STAMP.write_text("\n".join(stamp), encoding="utf-8")  # what is there stays for now
        sys.exit("set-up: the packages could not be installed. Check the network and the disk.")
    STAMP.write_text("\n".join(wanted), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
