"""The kernel that lessons run in: always the Python that carlib itself runs in.

A kernel spec named ``python3`` may belong to any Python on the machine (Jupyter looks in the user's
folders too), and a lesson would then miss carlib or meet another version of it.
"""

import os
import subprocess
from collections.abc import Mapping
from typing import Any

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import Dict, default
from traitlets.config import Config


class ThisPythonKernelSpecs(KernelSpecManager):
    """Jupyter's kernel specs, with ``python3`` standing for this very Python."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the spec named `kernel_name`."""
        if kernel_name == NATIVE_KERNEL_NAME:
            return self.kernel_spec_class(resource_dir=RESOURCES, **get_kernel_dict())
        return super().get_kernel_spec(kernel_name)


class LessonKernelManager(AsyncKernelManager):
    """Starts a lesson's kernel with additions to the environment.

    The address of the database travels this way and no other: as a notebook parameter its password
    would be written into the executed notebook.
    """

    environment = Dict(help="Variables added to the kernel's environment.").tag(config=True)

    @default("kernel_spec_manager")
    def _this_python(self) -> KernelSpecManager:
        return ThisPythonKernelSpecs(parent=self)

    # The base class assigns its asynchronous method to this name, where mypy sees the other one.
    async def start_kernel(self, **kwargs: Any) -> None:  # type: ignore[override]
        """Start the kernel, as Jupyter does, with `environment` added."""
        # What cells write to stderr travels in messages. The kernel's own stderr is its log, which
        # is of no use to who runs lessons, and shows a traceback when a run is stopped.
        kwargs |= {"env": os.environ | self.environment, "stderr": subprocess.DEVNULL}
        await super().start_kernel(**kwargs)


def kernel_options(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what nbclient, alone or below papermill, needs to start such a kernel.

    Args:
        environment: Where the database is, as `run_database` says it.
    """
    quiet = {
        # A bar appears only in loads that last; nobody watches here, and outputs shall not depend
        # on how fast a machine is.
        "TQDM_DISABLE": "1",
        # The debugger that every kernel loads writes a note to stderr otherwise.
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    return {
        "kernel_name": NATIVE_KERNEL_NAME,
        "kernel_manager_class": LessonKernelManager,
        "config": Config(LessonKernelManager={"environment": quiet | dict(environment)}),
        "iopub_timeout": 60,
    }
