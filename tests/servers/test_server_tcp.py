"""The embedded server on TCP, as on Windows always: a port and a password."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import psutil
import psycopg2
import pytest
from server_probes import eventually, posix_only, scalar

from servers.postgres import EmbeddedServer, temporary_server


def test_tcp_asks_for_the_password(tcp_server: EmbeddedServer) -> None:
    url = tcp_server.url
    assert scalar(tcp_server, "SELECT 7") == 7
    assert (url.host, len(url.password)) == ("127.0.0.1", 32)
    assert url.password not in f"{url} {url!r} {tcp_server!r}"
    for password in ("", "wrong"):
        with pytest.raises(psycopg2.OperationalError, match=r"no password|authentication failed"):
            psycopg2.connect(host=url.host, port=url.port, user="postgres", password=password)


@posix_only
def test_tcp_listens_on_this_machine_alone(tcp_server: EmbeddedServer) -> None:
    found = psutil.Process(tcp_server.pid).net_connections("inet")
    listening = {tuple(c.laddr) for c in found if c.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", tcp_server.url.port)}
    assert not any((tcp_server.data_dir / "data").glob(".s.PGSQL*"))


def test_tcp_keeps_its_port_unless_somebody_took_it(folder_for_servers: Path) -> None:
    server = EmbeddedServer(folder_for_servers / "data", tcp=True, temporary=True)
    with server:
        port = server.url.port
    with server:
        assert server.url.port == port
    with socket.create_server(("127.0.0.1", port)), server:
        assert server.url.port != port
        assert scalar(server, "SELECT 7") == 7


@posix_only
def test_a_killed_tcp_server_whose_port_a_stranger_took(folder_for_servers: Path) -> None:
    with (
        temporary_server(tcp=True) as stranger,
        EmbeddedServer(folder_for_servers, tcp=True, temporary=True) as mine,
    ):
        os.kill(mine.pid, signal.SIGKILL)
        assert eventually(lambda: mine.pid is None)
        pid_file = mine.data_dir / "data" / "postmaster.pid"
        lines = pid_file.read_text().split("\n")
        # Another PostgreSQL answers on the port that the pid file names, with the same password.
        lines[3] = str(stranger.url.port)
        pid_file.write_text("\n".join(lines))
        password = (stranger.data_dir / "password").read_text()
        own = (mine.data_dir / "password").read_text()
        (mine.data_dir / "password").write_text(password)
        try:
            assert mine._cluster.postmaster.refusal() == "another server listens on this port"
        finally:
            (mine.data_dir / "password").write_text(own)
        assert scalar(mine.start(), "SELECT 7") == 7
        assert mine.url.port != stranger.url.port
