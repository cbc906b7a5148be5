"""PostgreSQL 18 that starts by itself: `EmbeddedServer`, `embedded_server`, `temporary_server`.

server      one data folder's server, shared by all processes that use it
cluster     the data on disk: made, started, stopped
postmaster  the running server: where it listens, whether it lives and answers
settings    where a server listens, and whom it lets in
programs    where the programs are, how one is run, and what to do when one fails
os_user     as whom the programs run, and which folders that user may pass
users       which processes use a server
places      where the data is, and what the disk may refuse
"""

from servers.postgres.errors import ServerError
from servers.postgres.server import EmbeddedServer, embedded_server, temporary_server

__all__ = ["EmbeddedServer", "ServerError", "embedded_server", "temporary_server"]
