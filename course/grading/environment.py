"""The environment of processes that run a learner's code: what Python needs, and no secrets."""

import os
from pathlib import Path

# CI services hand their tokens to every step in variables; none of these is one.
_KEPT = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "SHELL", "VIRTUAL_ENV"),
        *("MPLCONFIGDIR", "XDG_CACHE_HOME", "PYTHONPATH", "PYTHONUTF8"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
        # Windows finds its own libraries and folders by these.
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "PROGRAMDATA"),
        *("USERPROFILE", "USERNAME", "APPDATA", "LOCALAPPDATA", "PROGRAMFILES"),
        *("NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
    }
)


def bare_environment(place: Path, database_url: str, mark: str) -> dict[str, str]:
    """Say what such a process finds in its environment.

    Args:
        place: A folder of its own, for everything that it may want to write.
        database_url: The server that `connect` finds.
        mark: A random word by which the process, and all that it starts, are found again.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _KEPT or name.startswith("LC_")
    }
    return kept | {
        "CARLIB_DATABASE_URL": database_url,
        "CARLIB_DATA_DIR": str(place / "data"),
        "CARLIB_GRADING": mark,
        "IPYTHONDIR": str(place / "ipython"),  # no start-up files of the user who grades
        "JUPYTER_RUNTIME_DIR": str(place / "jupyter"),
        "TMPDIR": str(place),
        "TEMP": str(place),
        "TMP": str(place),
        "TQDM_DISABLE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "MPLBACKEND": "agg",
    }
