"""The named errors of carlib.

Every message says what was expected, what was found, and what to do next. Where the database raised
the error first, its own exception stays attached as ``__cause__``.
"""

import pandas as pd


class CarlibError(Exception):
    """Base of every error that carlib raises on purpose."""


class ServerError(CarlibError):
    """The embedded PostgreSQL could not be initialized, started or stopped."""


class ConnectionFailed(CarlibError):
    """No connection: unreachable host, wrong password, unusable URL, or a missing right."""


class UnsupportedServer(CarlibError):
    """The server is not PostgreSQL 18 or newer."""


class SchemaNameError(CarlibError, ValueError):
    """The schema name is empty, too long, or reserved by PostgreSQL."""


class TableMismatch(CarlibError):
    """A table of that name exists, but with other columns than the model's."""


class TablesMissing(CarlibError):
    """The tables are not there yet; `create_tables` makes them."""


class TablesNotEmpty(CarlibError):
    """An initial load found cars already in the table; `delta_load` is the way to add more."""


class UnknownColumn(CarlibError, ValueError):
    """A frame has a column that the cars frame does not know."""


class MissingColumn(CarlibError, ValueError):
    """A frame lacks a column that the load needs."""


class RejectedRows(CarlibError, ValueError):
    """Some rows can't be loaded, so none was. `.rejected` holds them, each with its reason."""

    def __init__(self, message: str, rejected: pd.DataFrame) -> None:
        super().__init__(message, rejected)  # both, so that a copied or pickled error has both
        self.rejected = rejected

    def __str__(self) -> str:
        return self.args[0]


class BadArgument(CarlibError, ValueError):
    """An argument has a value of the wrong kind or outside its range."""


class UnreadableFile(CarlibError):
    """A file is missing, of an unknown kind, damaged, or not encoded as UTF-8."""


class LateChange(CarlibError, ValueError):
    """A change is dated at or before the car's last one; history can't be written backwards."""


class BatchConflict(CarlibError, ValueError):
    """A batch of that name was loaded before, with other content."""


class SnapshotRefused(CarlibError, ValueError):
    """A full snapshot would delete more cars than it may, or can't be trusted to be full."""


class CarNotFound(CarlibError, LookupError):
    """There is no car with that id: it never was, or it was deleted."""


class VinTaken(CarlibError, ValueError):
    """Another car has that VIN."""


class ChangeRefused(CarlibError):
    """The database did not make a change that it was told to: a trigger or a policy prevents it."""


class ArchiveDamaged(CarlibError):
    """An archived file is missing, or does not hold the bytes that were written."""


class ArchiveMismatch(CarlibError):
    """What was written to a file is not what the table holds; nothing was removed."""


class FrameNotFound(CarlibError, LookupError):
    """No frame is stored under that name, or not in that version."""


class BlobDamaged(CarlibError):
    """What is stored is not what was written: its checksum differs, or a part is missing."""


class UnknownFormat(CarlibError):
    """The database names a format or a compression that this version of carlib can't read."""


class PickleNotAllowed(CarlibError):
    """The frame is stored as a pickle, which runs code when it is loaded; nobody allowed that."""


class NotRepresentable(CarlibError, ValueError):
    """The format can't hold this frame at all. Nothing was written."""


class LossyFormat(CarlibError, ValueError):
    """The frame would come back different. Nothing was written.

    `.losses` holds what would be lost, one text for each difference.
    """

    def __init__(self, message: str, losses: list[str]) -> None:
        super().__init__(message, losses)  # both, so that a copied or pickled error has both
        self.losses = losses

    def __str__(self) -> str:
        return self.args[0]


class NotFinal(UserWarning):
    """The answer can still change: a load is under way, or the instant is yet to come."""


class ArchiveNeeded(UserWarning):
    """The answer may lack cars: history of that instant is in archived files only."""
