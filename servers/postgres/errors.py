"""The named error of the servers."""


class ServerError(Exception):
    """A server could not be initialized, started or stopped; the message says what to do."""
