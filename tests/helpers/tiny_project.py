"""A project of a few packages that bootstrap.py sets up within seconds, without a network."""

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ("hatchling", "packaging", "pathspec", "pluggy", "trove_classifiers")
DEV = ("iniconfig",)


def _wheel_of(package: str, folder: Path) -> str:
    """Pack an installed package of pure Python into a wheel again; return its line of a lock."""
    distribution = importlib.metadata.distribution(package)
    pin = f"{package}-{distribution.version}"
    dropped = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json"}
    path = folder / f"{pin}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        kept = [file for file in distribution.files or () if file.name not in dropped]
        kept = [file for file in kept if ".." not in file.parts and file.suffix != ".pyc"]
        for file in kept:
            wheel.write(file.locate(), str(file))
        info = next(file.parent for file in kept if file.name == "METADATA")
        wheel.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in kept))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{package}=={distribution.version} \\\n    --hash=sha256:{digest}\n"


class TinyProject:
    """A folder with bootstrap.py, two locks and a package.

    Attributes:
        folder: The project.
        tools: The folder that is the PATH; the tests put a uv there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a project"  # a path with a space
        self.tools = folder / "tools"
        self.wheels = folder / "wheels"
        for made in (self.tools, self.wheels, self.folder / "requirements", self.folder / "tiny"):
            made.mkdir(parents=True)
        shutil.copy(ROOT / "bootstrap.py", self.folder)
        (self.folder / "tiny" / "__init__.py").touch()
        (self.folder / "pyproject.toml").write_text(
            '[project]\nname = "tiny"\nversion = "1"\n[build-system]\nrequires = ["hatchling"]\n'
            'build-backend = "hatchling.build"\n[tool.hatch.build]\ndev-mode-dirs = ["."]\n'
        )
        for name, packages in {"core": CORE, "dev": DEV}.items():
            self.lock(name).write_text("".join(_wheel_of(each, self.wheels) for each in packages))
        self.uv()

    def lock(self, name: str) -> Path:
        """Return the path of a lock."""
        return self.folder / "requirements" / f"{name}.txt"

    def uv(self, script: str = f'exec "{Path(sys.executable).with_name("uv")}" "$@"') -> None:
        """Put a uv on the PATH: the real one, or another shell script in its place."""
        (self.tools / "uv").write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / "uv").chmod(0o755)

    def set_up(self, *names: str) -> tuple[int, str]:
        """Run bootstrap.py with the tools on the PATH; return its exit code and output."""
        kept = {key: value for key, value in os.environ.items() if key[:3] not in ("UV_", "PIP")}
        kept.pop("PYTHON", None)
        offline = {
            "PATH": str(self.tools),
            "UV_OFFLINE": "1",
            "UV_FIND_LINKS": str(self.wheels),
            "UV_CACHE_DIR": str(self.tools / "cache"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }
        done = subprocess.run(
            [sys.executable, "bootstrap.py", *names],
            cwd=self.folder,
            env=kept | offline,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        return done.returncode, done.stdout

    def can_import(self, module: str) -> bool:
        """Tell whether the environment's Python imports a module."""
        python = self.folder / ".venv" / "bin" / "python"
        return (
            subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0
        )
