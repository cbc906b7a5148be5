"""A copy of the workbook with tiny lessons and an environment of its own, made in seconds."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from tiny_lessons import write_lesson

from course.lessons import Lesson

ROOT = Path(__file__).parents[2]
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "build", "workbook", ".*_cache", ".hypothesis", "*.egg-info"
)
_READING = (
    "from carlib import read_cars\n\nif cars_file:\n    print(len(read_cars(cars_file, rename)))"
)


class TinyCourse:
    """All files of the workbook in another folder, its lessons cut down to a few cells each.

    The lessons keep their names and parameters, and read the file that `cars_file` may name.
    `.venv` there has carlib from the copy, and every other package from the environment that runs
    the tests; `bootstrap.py` finds it complete.
    """

    def __init__(self, folder: Path, lessons: Iterable[Lesson]) -> None:
        self.folder = folder
        self.bin = folder / ".venv" / "bin"
        shutil.copytree(ROOT, folder, ignore=_LEFT_OUT)
        shutil.rmtree(folder / "notebooks")
        for lesson in lessons:
            (declared,) = (
                cell.source
                for cell in lesson.notebook.cells
                if "parameters" in cell.metadata.get("tags", [])
            )
            write_lesson(
                folder / "notebooks",
                lesson.name,
                ['print(f"{rows} cars")', *[_READING] * ("cars_file" in lesson.parameters)],
                part=lesson.part,
                parameters=declared,
            )
        self._make_environment()
        self.call("git", "init", "--quiet", ".")

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a shell in which the environment is active."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CARLIB_", "JUPYTER_", "PYTEST_", "MAKE", "VIRTUAL_ENV"))
        }
        kept.pop("ARGS", None)
        kept.pop("PYTHON", None)
        return kept | {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}

    def call(self, *command: str | Path) -> None:
        """Run a program of the set-up, which has to succeed."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _make_environment(self) -> None:
        home = self.folder / ".venv"
        venv.create(home, symlinks=True)
        place = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
        # Only what it names is added: the .pth files there, carlib's among them, are not read.
        (place / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
        for folder in ("share", "etc"):  # JupyterLab's pages, the kernel's description
            if (Path(sys.prefix) / folder).exists():
                (home / folder).symlink_to(Path(sys.prefix) / folder)
        for point in metadata.entry_points(group="console_scripts"):
            self._write_script(point)
        for name in ("ruff", "uv"):  # programs that are no Python
            (self.bin / name).symlink_to(Path(sys.executable).with_name(name))
        self.call(
            *("uv", "pip", "install", "--quiet", "--offline", "--python", self.bin / "python"),
            *("--no-build-isolation", "--no-deps", "-e", self.folder),
        )
        finished = "import bootstrap; bootstrap.record(bootstrap.fingerprint())"
        self.call(self.bin / "python", "-c", finished)

    def _write_script(self, point: metadata.EntryPoint) -> None:
        name = point.attr.partition(".")[0]
        script = self.bin / point.name
        script.write_text(
            f"#!{self.bin / 'python'}\nimport sys\n\nfrom {point.module} import {name}\n\n"
            f"sys.exit({point.attr}())\n",
            encoding="utf-8",
        )
        script.chmod(0o755)
