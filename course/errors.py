"""The named errors of the course's commands: what a person mistyped, and a lesson that failed.

They have a base of their own: `carlib doctor` must work where carlib can't be imported.
"""


class CourseError(Exception):
    """Base of every error that the commands raise on purpose. The command line exits with 1."""


class UsageError(CourseError, ValueError):
    """What was asked for can't be done as asked; nothing has run. The command line exits with 2."""


class LessonsNotFound(UsageError):
    """There is no folder of lessons where they were looked for."""


class UnknownLesson(UsageError):
    """No lesson has that number or name, or more than one has."""


class UnknownParameter(UsageError):
    """None of the lessons to be run declares that parameter."""


class WrongParameterType(UsageError):
    """The value can't stand where the lesson's own default stands."""


class ClassFileError(UsageError):
    """The table of a class can't be read, or has a mistake."""


class LessonFormError(CourseError):
    """A lesson's notebook is not built the way that the course's tools expect."""


class LessonFailed(CourseError):
    """A cell of a lesson raised an error, or its kernel died."""


class OutputFailed(CourseError):
    """The folder for the results can't be written to, or its disk is full."""


class RolesFailed(CourseError):
    """The roles of a class could not be made on the server; it is as it was."""
