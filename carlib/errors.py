"""The named errors of carlib.

Every message says what was expected, what was found, and what to do next. Where the database raised
the error first, its own exception stays attached as ``__cause__``.
"""

from collections.abc import Sequence

import pandas as pd


class CarlibError(Exception):
    """Base of every error that carlib raises on purpose."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # the message, without what comes with it


class ServerError(CarlibError):
    """The embedded PostgreSQL could not be initialized, started or stopped."""


class ConnectionFailed(CarlibError):
    """No connection: unreachable, refused, unusable URL, missing right, or not PostgreSQL 18."""


class BadArgument(CarlibError, ValueError):
    """An argument is of the wrong kind, outside its range, or a name that PostgreSQL can't have."""


class TableMismatch(CarlibError):
    """A table of that name exists, but with other columns than the model's."""


class TablesMissing(CarlibError):
    """The tables are not there yet; `create_tables` makes them."""


class TablesNotEmpty(CarlibError):
    """An initial load found cars already in the table; `delta_load` is the way to add more."""


class UnreadableFile(CarlibError):
    """A file is missing, of an unknown kind, damaged, or in another encoding than was said."""


class WrongColumns(CarlibError, ValueError):
    """A frame has a column that the cars frame does not know, or lacks one that the load needs."""


class RejectedRows(CarlibError, ValueError):
    """Some rows can't be loaded, so none was. `.rejected` holds them, each with its reason."""

    def __init__(self, message: str, rejected: pd.DataFrame) -> None:
        super().__init__(message, rejected)  # both, so that a copied or pickled error has both
        self.rejected = rejected


class BatchConflict(CarlibError, ValueError):
    """A batch of that name was loaded before, with other content."""


class SnapshotRefused(CarlibError, ValueError):
    """A full snapshot would delete more cars than it may, or can't be trusted to be full."""


class LateChange(CarlibError, ValueError):
    """A change is dated at or before the car's last one; history can't be written backwards."""


class VinTaken(CarlibError, ValueError):
    """Another car has that VIN."""


class WriteFailed(CarlibError):
    """A held lock, a full disk, an ended session or a trigger prevented a change.

    Nothing of it is there, or the message says to look.
    """


class NotFound(CarlibError, LookupError):
    """There is no car with that id, or no frame under that name or in that version."""


class DamagedData(CarlibError):
    """What is stored, in a table or in an archived file, is not what was written."""


class PickleNotAllowed(CarlibError):
    """The frame is stored as a pickle, which runs code when it is loaded; nobody allowed that."""


class LossyFormat(CarlibError, ValueError):
    """The format can't hold the frame, or would bring it back different. Nothing was written.

    `.losses` has one text for each difference; none where it can't hold the frame at all.
    """

    def __init__(self, message: str, losses: Sequence[str] = ()) -> None:
        super().__init__(message, list(losses))  # both, as above
        self.losses = list(losses)


class IncompleteAnswer(UserWarning):
    """The answer may lack something: a load is under way, or history is in archived files only."""
