"""A project of two packages that bootstrap.py can set up within a second, without a network."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

PYPROJECT = """
[build-system]
requires = ["flit_core>=3.12"]
build-backend = "flit_core.buildapi"

[project]
name = "tiny"
version = "1.0"
description = "A package to be installed"
requires-python = ">=3.11"
"""


def wheel_of(package: str, folder: Path) -> Path:
    """Pack an installed package of pure Python into a wheel again."""
    distribution = importlib.metadata.distribution(package)
    name = distribution.name.replace("-", "_")
    path = folder / f"{name}-{distribution.version}-py3-none-any.whl"
    kept = [
        file
        for file in distribution.files or ()
        if ".." not in file.parts
        and file.suffix != ".pyc"
        and file.name not in {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}
    ]
    info = next(file.parent for file in kept if file.name == "METADATA")
    with zipfile.ZipFile(path, "w") as wheel:
        for file in kept:
            wheel.write(file.locate(), str(file))
        wheel.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in kept))
    return path


class TinyProject:
    """A folder with bootstrap.py, a lock and a package; `wheels` is all it can install from."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder = folder
        self.wheels = wheels
        self.tools = folder.with_name(folder.name + "-tools")
        folder.mkdir()
        self.tools.mkdir()
        shutil.copy(ROOT / "bootstrap.py", folder)
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "tiny.py").write_text('"""A module."""\n')
        self.lock("flit_core")

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    def lock(self, *packages: str) -> None:
        """Write a lock of these packages, as `make lock` writes it."""
        lines = []
        for package in packages:
            wheel = next(self.wheels.glob(f"{package}-*.whl"))
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            lines.append(f"{package}=={wheel.name.split('-')[1]} \\\n    --hash=sha256:{digest}\n")
        (self.folder / "requirements.lock").write_text("".join(lines))

    def uv(self, script: str | None = None) -> None:
        """Put uv on the PATH: the real one, or a shell script in its place."""
        path = self.tools / "uv"
        path.unlink(missing_ok=True)
        if script is None:
            path.symlink_to(Path(sys.executable).with_name("uv"))
        else:
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Start bootstrap.py with nothing but the tools on the PATH."""
        environment = {
            **{name: value for name, value in os.environ.items() if name[:3] not in ("UV_", "PIP")},
            "PATH": str(self.tools),
            "UV_OFFLINE": "1",
            "UV_FIND_LINKS": str(self.wheels),
            "UV_CACHE_DIR": str(self.tools / "cache"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            **settings,
        }
        environment.pop("PYTHON", None)
        return subprocess.Popen(
            [sys.executable, *(arguments or ("bootstrap.py",))],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def set_up(self, *arguments: str, **settings: str) -> tuple[int, str]:
        """Run bootstrap.py to its end and return its exit code and what it printed."""
        process = self.start(*arguments, **settings)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def can_import(self, *modules: str) -> bool:
        """Tell whether the environment's Python imports these modules."""
        command = [self.venv / "bin" / "python", "-c", f"import {', '.join(modules)}"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
