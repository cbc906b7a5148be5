"""docker-compose.yml and its .env.example.

Not checked here, because it takes a container engine: that the image starts, that its health check
turns healthy and that the volume keeps the data. `docker compose config` needs no engine, only
Docker's compose plugin: where that is missing, its test is skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from sqlalchemy import make_url

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
TEXT = COMPOSE.read_text(encoding="utf-8")
CONTENT = YAML(typ="safe", pure=True).load(TEXT)
SERVICE = CONTENT["services"]["postgres"]
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:?[-?+])?([^}]*)\}")


def settings(password: str = "") -> dict[str, str]:
    """What a shell holds after reading .env.example with a password filled in."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    values: dict[str, str] = {}
    for name, value in re.findall(r"(?m)^(\w+)=(.*)$", example):
        filled = password if name == "POSTGRES_PASSWORD" else value
        values[name] = VARIABLE.sub(lambda found: values[found[1]], filled)
    return values


def test_is_valid_by_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_runs_postgresql_18() -> None:
    assert list(CONTENT["services"]) == ["postgres"]
    assert re.fullmatch(r"postgres:18(\.\d+)?(-\w+)?", SERVICE["image"])


def test_listens_on_this_machine_only() -> None:
    assert SERVICE["ports"] == ["127.0.0.1:${POSTGRES_PORT:-5432}:5432"]
    assert "network_mode" not in SERVICE


def test_password_comes_from_the_environment_and_is_required() -> None:
    name, operator, message = VARIABLE.fullmatch(
        SERVICE["environment"]["POSTGRES_PASSWORD"]
    ).groups()
    assert (name, operator) == ("POSTGRES_PASSWORD", ":?")
    assert ".env.example" in message
    assert "POSTGRES_HOST_AUTH_METHOD" not in SERVICE["environment"]
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.findall("POSTGRES_PASSWORD=(.*)", example) == [""], "an example holds no password"


def test_health_check_asks_by_tcp() -> None:
    """By the socket, the image's temporary first server would already count as healthy."""
    kind, command = SERVICE["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert command.startswith("pg_isready --host=127.0.0.1 ")
    for name in re.findall(r"\$\$(\w+)", command):
        assert name in SERVICE["environment"]


def test_data_is_in_a_named_volume_where_the_image_of_18_keeps_it() -> None:
    (mount,) = SERVICE["volumes"]
    name, _, target = mount.partition(":")
    assert name in CONTENT["volumes"]
    assert target == "/var/lib/postgresql"


def test_example_names_every_variable() -> None:
    used = {found[1]: found[3] for found in VARIABLE.finditer(TEXT)}
    example = settings()
    assert set(used) == set(example) - {"CARLIB_DATABASE_URL"}
    for name, default in used.items():
        if name != "POSTGRES_PASSWORD":
            assert example[name] == default


def test_example_leads_carlib_to_this_server() -> None:
    url = make_url(settings("a1b2")["CARLIB_DATABASE_URL"])
    assert url.drivername == "postgresql"
    assert (url.username, url.password, url.database) == ("workbook", "a1b2", "workbook")
    assert (url.host, url.port) == ("127.0.0.1", 5432)


def compose_config(env_file: Path) -> subprocess.CompletedProcess[str]:
    command = ["docker", "compose", "--env-file", str(env_file), "-f", str(COMPOSE), "config"]
    clean = {name: value for name, value in os.environ.items() if "POSTGRES" not in name}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean)


def test_docker_reads_it(tmp_path: Path) -> None:
    asked = [shutil.which("docker") or "false", "compose", "version"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("Docker's compose plugin is not installed")
    env_file = tmp_path / ".env"
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    env_file.write_text(example)
    refused = compose_config(env_file)
    assert refused.returncode != 0
    assert "copy .env.example to .env" in refused.stderr
    env_file.write_text(example.replace("POSTGRES_PASSWORD=\n", "POSTGRES_PASSWORD=a1b2\n"))
    accepted = compose_config(env_file)
    assert accepted.returncode == 0, accepted.stderr
    assert "host_ip: 127.0.0.1" in accepted.stdout


def test_git_ignores_the_password() -> None:
    ignored = ["git", "-C", str(ROOT), "check-ignore", "--quiet", ".env"]
    assert subprocess.run(ignored, check=False).returncode == 0
