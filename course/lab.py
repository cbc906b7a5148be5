"""Opens JupyterLab on a lesson."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyterlab.labapp import LabApp
from tornado.web import HTTPError
from traitlets import Unicode

from course.lessons import Lesson

_ANNOUNCEMENTS = "@jupyterlab/apputils-extension:announcements"


class LessonFiles(AsyncLargeFileManager):
    """JupyterLab's files, with the originals of the lessons to be read only.

    The README's links lead to them. What is typed into one can be run there, but not saved.
    """

    originals = Unicode(help="The folder of the originals, from the root.").tag(config=True)

    def is_writable(self, path: str) -> bool:
        """Whether JupyterLab offers to save it."""
        return not self._is_original(path) and super().is_writable(path)

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Save a file, unless it is an original."""
        if self._is_original(path):
            raise HTTPError(
                403,
                "This is the original of a lesson. Your copy is in the folder workbook; authors "
                "start with `carlib lab --original`.",
            )
        return await super().save(model, path)

    def _is_original(self, path: str) -> bool:
        return bool(self.originals) and path.strip("/").split("/")[0] == self.originals


def open_lab(lesson: Lesson, options: Sequence[str] = (), *, originals: str = "") -> None:
    """Serve JupyterLab, opened on `lesson`, until it is stopped with Ctrl-C.

    It listens on this machine only, keeps the random token without which it answers nobody, and
    asks nothing of other machines.

    Args:
        lesson: The lesson to open; the file browser shows the folder two above its own, with the
            README.
        options: More options of JupyterLab's own, for example ``--no-browser``.
        originals: A folder at the root whose files can be read only; none if empty.
    """
    root = lesson.path.parents[2]
    place = quote(lesson.path.relative_to(root).as_posix())
    server = LabApp.initialize_server(
        [
            f"--ServerApp.root_dir={root}",
            # Also part of the address that JupyterLab prints, for who opens it by hand.
            f"--LabApp.default_url=/lab/tree/{place}",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.kernel_spec_manager_class=course.kernels.ThisPythonKernelSpecs",
            "--ServerApp.contents_manager_class=course.lab.LessonFiles",
            f"--LessonFiles.originals={originals}",
            *options,
        ],
        tornado_settings={"page_config_hook": _without_announcements},
    )
    server.start()


def _without_announcements(_handler: object, page: dict[str, Any]) -> dict[str, Any]:
    """Take out what asks the internet for JupyterLab's news, and for newer versions of it."""
    return page | {"disabledExtensions": [*page["disabledExtensions"], _ANNOUNCEMENTS]}
