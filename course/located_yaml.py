"""YAML 1.2 with the line of each thing, so that a mistake in a file is told by its place.

Nothing that is written in the file is ever repeated in an error but the keys: a value may be a
password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.parser import ParserError
from ruamel.yaml.scanner import ScannerError

from course.errors import ClassFileError


@dataclass(frozen=True)
class Located:
    """One node of a YAML file: what stands there is read only when it is asked for.

    Attributes:
        file: The file, for messages.
        line: Where the node begins, from 1.
    """

    file: Path
    line: int
    _node: Node
    _construct: Callable[..., object]

    def error(self, message: str) -> ClassFileError:
        """Return an error that names the file and the line."""
        return ClassFileError(f"{self.file}, line {self.line}: {message}")

    def mapping(self, what: str) -> dict[str, Located]:
        """Return the node's keys, which are texts, with their values.

        Raises:
            ClassFileError: It is no mapping, or a key is no text or is there twice.
        """
        if not isinstance(self._node, MappingNode):
            raise self.error(f"expected {what} as lines like `key: value`, found {self.kind}.")
        found: dict[str, Located] = {}
        for key_node, value_node in self._node.value:
            key = self._at(key_node)
            name = key.value()
            if not isinstance(name, str):
                raise key.error(f"expected a name as a key, found {key.kind}.")
            if name in found:
                raise key.error(
                    f"the key {name!r} is there twice, first in line {found[name].line}. "
                    "Remove one."
                )
            # An empty value has no line of its own.
            found[name] = replace(self._at(value_node), line=key.line)
        return found

    def sequence(self, what: str) -> Iterator[Located]:
        """Return the node's items.

        Raises:
            ClassFileError: It is no sequence.
        """
        if not isinstance(self._node, SequenceNode):
            raise self.error(f"expected {what} as lines that begin with `-`, found {self.kind}.")
        return (self._at(node) for node in self._node.value)

    def text(self, what: str) -> str:
        """Return the node's text.

        Raises:
            ClassFileError: It is something else, such as a number without quotes.
        """
        value = self.value()
        if not isinstance(value, str):
            raise self.error(
                f"expected {what} as a text, found {self.kind}. A number, a date and `true` are "
                "texts between quotes only."
            )
        return value

    def value(self) -> object:
        """Return what YAML 1.2 takes the node for: a text, a number, a list.

        Raises:
            ClassFileError: It has a tag or a form that is not known.
        """
        try:
            return self._construct(self._node, deep=True)
        except (YAMLError, ValueError):
            raise self.error("expected a value of YAML 1.2 without a tag of its own.") from None

    @property
    def kind(self) -> str:
        """What the node is, in words that don't show it."""
        if isinstance(self._node, ScalarNode):
            value = self.value()
            return "nothing" if value is None else _KINDS.get(type(value), "another kind of value")
        return "a list" if isinstance(self._node, SequenceNode) else "a mapping"

    def _at(self, node: Node) -> Located:
        return Located(self.file, node.start_mark.line + 1, node, self._construct)


_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def read_located(path: Path) -> Located:
    """Read a YAML file.

    Args:
        path: One document in UTF-8.

    Raises:
        ClassFileError: It can't be read, is empty or is no YAML. Says the line where it is known.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ClassFileError(
            f"Expected a YAML file {path}, found none ({error.strerror})."
        ) from None
    except UnicodeDecodeError:
        raise ClassFileError(f"Expected {path} in UTF-8, found another encoding.") from None
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
    except YAMLError as error:
        raise _not_yaml(path, error) from None
    if node is None:
        raise ClassFileError(f"Expected {path} to describe a class, found an empty file.")
    return Located(path, node.start_mark.line + 1, node, yaml.constructor.construct_object)


def _not_yaml(path: Path, error: YAMLError) -> ClassFileError:
    place = str(path)
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        place += f", line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
    # Other errors than these two repeat what stands in the file.
    said = f" ({error.problem})" if isinstance(error, ParserError | ScannerError) else ""
    return ClassFileError(
        f"{place}: expected YAML, found what can't be read{said}. A text with special characters "
        "is best put between quotes."
    )
