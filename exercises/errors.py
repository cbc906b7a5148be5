"""The named error of the exercises."""


class UnknownLesson(ValueError):
    """There are no exercises for a lesson of that name."""
