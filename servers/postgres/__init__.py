"""PostgreSQL 18 that starts by itself and stops with its last user.

server      start here: `EmbeddedServer`, `embedded_server`, `temporary_server`
users       which processes use a server: the last one to end stops it
cluster     a data folder's cluster: initdb, start, stop
settings    the settings a server starts with: where it listens, and who may connect
postmaster  the running server: its process, its URL, a connection to it and to no other
surroundings  libpq's variables, which have no say in it; waiting, which is announced
programs    where PostgreSQL's programs are, and how they are run
os_user     the operating-system user that runs them: never root
errors      `ServerError`, and how the system's and PostgreSQL's errors become one with a cure
"""

from servers.postgres.errors import ServerError
from servers.postgres.server import EmbeddedServer, embedded_server, temporary_server
from servers.postgres.surroundings import announced, without_libpq_variables

__all__ = [
    "EmbeddedServer",
    "ServerError",
    "announced",
    "embedded_server",
    "temporary_server",
    "without_libpq_variables",
]
