"""Opens JupyterLab on a lesson."""

from collections.abc import Sequence

from jupyterlab.labapp import LabApp

from carlib.course.lessons import Lesson


def open_lab(lesson: Lesson, options: Sequence[str] = ()) -> None:
    """Serve JupyterLab, opened on `lesson`, until it is stopped with Ctrl-C.

    It listens on this machine only, and keeps the random token without which it answers nobody.

    Args:
        lesson: The lesson to open; the file browser shows the folder above ``notebooks``.
        options: More options of JupyterLab's own, for example ``--no-browser``.
    """
    LabApp.launch_instance(
        [
            str(lesson.path),
            f"--ServerApp.root_dir={lesson.path.parents[2]}",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.kernel_spec_manager_class=carlib.course.kernels.ThisPythonKernelSpecs",
            *options,
        ]
    )
