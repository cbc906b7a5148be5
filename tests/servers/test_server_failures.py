"""What the embedded server says when it can't start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from server_probes import posix_only

from servers.postgres import EmbeddedServer, ServerError


def test_a_server_that_cannot_start_shows_its_log_and_what_to_do(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, temporary=True):
        pass
    with (data_dir / "data" / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = many\n")
    with pytest.raises(ServerError) as error:
        EmbeddedServer(data_dir).start()
    assert 'invalid value for parameter "max_connections": "many"' in str(error.value)
    assert "Mend the line that the log names" in str(error.value)
    assert list((data_dir / "users").iterdir()) == []


def test_data_of_another_version_is_refused(data_dir: Path) -> None:
    (data_dir / "data").mkdir(parents=True)
    with pytest.raises(ServerError, match=r"Expected data of PostgreSQL version 18 .* found none"):
        EmbeddedServer(data_dir).start()
    (data_dir / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ServerError, match=r"found 17\. Move that folder away"):
        EmbeddedServer(data_dir).start()


def test_a_data_folder_that_cannot_be_made_is_named(folder_for_servers: Path) -> None:
    (folder_for_servers / "file").touch()
    with pytest.raises(ServerError, match=r"can't use the folder .*file/data.* CARLIB_DATA_DIR"):
        EmbeddedServer(folder_for_servers / "file" / "data").start()


def test_a_path_with_a_line_break_is_refused(folder_for_servers: Path) -> None:
    with pytest.raises(ServerError, match="plain text"):
        EmbeddedServer(folder_for_servers / "a\nb")


@posix_only
def test_a_socket_folder_of_somebody_else_is_not_used(folder_for_servers: Path) -> None:
    data_dir = folder_for_servers / "a space"
    with EmbeddedServer(data_dir, temporary=True) as server:
        sockets = Path(server.url.query["host"])
    sockets.touch()
    try:
        with pytest.raises(ServerError, match="belongs to somebody else or is no folder"):
            EmbeddedServer(data_dir).start()
    finally:
        sockets.unlink(missing_ok=True)
    if os.geteuid() == 0:
        sockets.mkdir(mode=0o777)  # ours, but not carlib-postgres's
        try:
            with pytest.raises(ServerError, match="belongs to somebody else"):
                EmbeddedServer(data_dir).start()
        finally:
            sockets.rmdir()


def test_a_missing_password_file_is_named(folder_for_servers: Path) -> None:
    with EmbeddedServer(folder_for_servers / "data", tcp=True, temporary=True) as server:
        password = server.data_dir / "password"
        kept = password.rename(password.with_name("kept"))
        with pytest.raises(ServerError, match=r"Expected the server's password in .*password"):
            _ = server.url
        kept.rename(password)
