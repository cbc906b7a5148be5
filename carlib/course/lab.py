"""Opens JupyterLab on a lesson."""

from collections.abc import Sequence
from urllib.parse import quote

from jupyterlab.labapp import LabApp

from carlib.course.lessons import Lesson


def open_lab(lesson: Lesson, options: Sequence[str] = ()) -> None:
    """Serve JupyterLab, opened on `lesson`, until it is stopped with Ctrl-C.

    It listens on this machine only, and keeps the random token without which it answers nobody.

    Args:
        lesson: The lesson to open; the file browser shows the folder above ``notebooks``.
        options: More options of JupyterLab's own, for example ``--no-browser``.
    """
    root = lesson.path.parents[2]
    place = quote(lesson.path.relative_to(root).as_posix())
    LabApp.launch_instance(
        [
            f"--ServerApp.root_dir={root}",
            # Also part of the address that JupyterLab prints, for who opens it by hand.
            f"--LabApp.default_url=/lab/tree/{place}",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.kernel_spec_manager_class=carlib.course.kernels.ThisPythonKernelSpecs",
            *options,
        ]
    )
