"""Where the embedded server lives, and who can reach it there."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from server_probes import mode, posix_only, scalar

from servers.postgres import EmbeddedServer


@pytest.mark.parametrize(
    "name",
    [
        "with  spaces, and commas",
        """quotes ' " and $HOME `whoami` \\ %41""",
        "Größe-車-🚗",
        "a-path-that-is-too-long-for-a-socket/" * 8,
    ],
    ids=["spaces", "quotes", "unicode", "long"],
)
@posix_only
def test_any_data_path_works(folder_for_servers: Path, name: str) -> None:
    with EmbeddedServer(folder_for_servers / name, temporary=True) as server:
        assert scalar(server, "SELECT 7") == 7
        sockets = Path(server.url.query["host"])
        assert not sockets.is_relative_to(folder_for_servers)
        assert mode(sockets) == 0o700
        assert server.data_dir == folder_for_servers / name
    assert not sockets.exists()


def test_the_data_folder_is_the_environments_else_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CARLIB_DATA_DIR", str(tmp_path / "elsewhere"))
    assert EmbeddedServer().data_dir == tmp_path / "elsewhere"
    assert EmbeddedServer(tmp_path / "given").data_dir == tmp_path / "given"
    monkeypatch.setenv("CARLIB_DATA_DIR", "")
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / "user" / name)
    assert EmbeddedServer().data_dir == tmp_path / "user" / "carlib" / "postgresql-18"


@posix_only
def test_a_socket_server_has_no_port_and_no_door_for_others(server: EmbeddedServer) -> None:
    process = psutil.Process(server.pid)
    assert [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []
    assert Path(server.url.query["host"]) == server.data_dir / "data"
    assert mode(server.data_dir / "data") == 0o700
    assert mode(server.data_dir) & 0o077 in (0, 0o001)  # root lets its server pass
    for name in ("password", "server.log"):
        assert mode(server.data_dir / name) == 0o600
