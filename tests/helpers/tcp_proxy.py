"""A TCP proxy in front of a PostgreSQL server, that rewrites what passes."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

Rewrite = tuple[bytes, bytes]  # a pattern, and what is put there: as long as what it matches
NOTHING: Rewrite = (b"(?!)", b"")


@contextmanager
def tcp_proxy(
    port: int, *, to_server: Rewrite = NOTHING, to_client: Rewrite = NOTHING
) -> Iterator[int]:
    """Yield the port of a proxy to 127.0.0.1:`port`, for one connection after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, port, to_server, to_client))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(listener: socket.socket, port: int, to_server: Rewrite, to_client: Rewrite) -> None:
    with suppress(OSError):  # the listener was shut down
        while True:
            client, _ = listener.accept()
            with client, socket.create_connection(("127.0.0.1", port)) as server:
                back = threading.Thread(target=_copy, args=(server, client, to_client))
                back.start()
                _copy(client, server, to_server)
                back.join()


def _copy(source: socket.socket, target: socket.socket, rewrite: Rewrite) -> None:
    with suppress(OSError):  # either side may hang up
        while data := source.recv(65536):
            target.sendall(re.sub(*rewrite, data))
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
