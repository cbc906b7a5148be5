"""The named errors of the store. Each message names the blob or the column, and what to do."""

from carlib.errors import CarlibError


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
