"""environment.yml for conda, docker-compose.yml and its .env.example, the dev container.

Not checked here, because it takes conda, a container engine or GitHub: that the environment can be
made, that the image starts and keeps its data, and that a codespace opens.
"""

import json
import re
import subprocess
import sys

from markdown_pages import ROOT
from ruamel.yaml import YAML
from sqlalchemy import make_url

COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICE = YAML(typ="safe", pure=True).load(COMPOSE)["services"]["postgres"]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:?[-?+])?([^}]*)\}")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PYTHONS = re.findall(r"Python :: (3\.\d+)", PYPROJECT)


def settings(password: str) -> dict[str, str]:
    """What a shell holds after reading .env.example with a password filled in."""
    values: dict[str, str] = {}
    for name, value in re.findall(r"(?m)^(\w+)=(.*)$", EXAMPLE):
        filled = password if name == "POSTGRES_PASSWORD" else value
        values[name] = VARIABLE.sub(lambda variable: values[variable[1]], filled)
    return values


def test_conda_brings_a_python_of_the_lock_and_pip_the_rest() -> None:
    content = YAML(typ="safe", pure=True).load(ROOT / "environment.yml")
    oldest, newest = PYTHONS[0], PYTHONS[-1].partition(".")[2]
    pip_part = {"pip": ["-r requirements/core.txt"]}
    python = f"python >={oldest},<3.{int(newest) + 1}"
    assert content["dependencies"] == [python, "pip", pip_part]
    assert content["channels"] == ["conda-forge"]
    assert f'requires-python = ">={oldest}"' in PYPROJECT


def test_compose_is_valid_by_its_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_compose_runs_postgresql_18_for_this_machine_alone() -> None:
    assert re.fullmatch(r"postgres:18(\.\d+)?(-\w+)?", SERVICE["image"])
    assert SERVICE["ports"] == ["127.0.0.1:${POSTGRES_PORT:-5432}:5432"]
    assert "network_mode" not in SERVICE
    assert SERVICE["volumes"] == [
        "postgres-data:/var/lib/postgresql"
    ]  # where the image of 18 has it
    assert "POSTGRES_HOST_AUTH_METHOD" not in SERVICE["environment"]
    # By the socket, the image's temporary first server would already count as healthy.
    assert SERVICE["healthcheck"]["test"][1].startswith("pg_isready --host=127.0.0.1 ")


def test_the_password_comes_from_the_environment_and_is_required() -> None:
    password = VARIABLE.fullmatch(SERVICE["environment"]["POSTGRES_PASSWORD"])
    assert password
    assert password.group(1, 2) == ("POSTGRES_PASSWORD", ":?")
    assert re.findall("POSTGRES_PASSWORD=(.*)", EXAMPLE) == [""], "an example holds no password"
    ignored = ["git", "-C", str(ROOT), "check-ignore", "--quiet", ".env"]
    assert subprocess.run(ignored).returncode == 0


def test_the_example_names_every_variable_and_leads_carlib_to_this_server() -> None:
    used = {variable[1]: variable[3] for variable in VARIABLE.finditer(COMPOSE)}
    example = settings("a1b2")
    assert set(used) == set(example) - {"CARLIB_DATABASE_URL"}
    assert all(example[name] == used[name] for name in used if name != "POSTGRES_PASSWORD")
    url = make_url(example["CARLIB_DATABASE_URL"])
    address = (url.drivername, url.username, url.password, url.host, url.port, url.database)
    assert address == ("postgresql", "workbook", "a1b2", "127.0.0.1", 5432, "workbook")


def test_the_dev_container_sets_up_and_opens_the_lab() -> None:
    content = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert re.fullmatch(rf"python:({'|'.join(map(re.escape, PYTHONS))})-\w+", content["image"])
    assert content["postCreateCommand"] == "python3 bootstrap.py"
    assert content["postAttachCommand"].startswith(".venv/bin/carlib lab --no-browser ")
    (port,) = content["forwardPorts"]
    assert f"--port={port} " in content["postAttachCommand"]
    for opened in content["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / opened).is_file()
