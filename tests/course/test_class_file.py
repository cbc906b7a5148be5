"""The YAML file of a class: what it gives, and how each mistake is told by its line."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import make_url
from tiny_lessons import write_lesson

from course.class_file import Learner, read_class
from course.errors import UnknownParameter, UsageError, WrongParameterType
from course.folders import folder_names
from course.lessons import Lesson, find_lessons

PASSWORD = "s3cret-passw0rd"


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> list[Lesson]:
    root = tmp_path_factory.mktemp("class")
    write_lesson(root, "01_first")
    other = 'schema = "o"\nshare = 0.5\nnames = {}\nhalf = True\ncars_file = ""'
    write_lesson(root, "02_second", parameters=other)
    return find_lessons(root)


def read(tmp_path: Path, text: str, lessons: list[Lesson]) -> list[Learner]:
    path = tmp_path / "class.yml"
    path.write_text(text, encoding="utf-8")
    return read_class(path, lessons)


def test_each_gets_the_defaults_and_what_is_their_own(
    tmp_path: Path, lessons: list[Lesson], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUP_PASSWORD", "p@ss/w:rd?%41 ${HOME}")
    monkeypatch.setenv("WHOLE_URL", "postgresql://c:coded%40@db.example.org/course")
    text = """\
defaults: &all
  rows: 5000
  share: 1
learners:
  - name: Ada   Lovelace
    seed: 1
  - name: "7"
    rows: 70
    schema: seventh
    half: false
    names: {Make: brand}
    database_url: postgresql://b:${GROUP_PASSWORD}@db.example.org/course
  - {name: Zoë, database_url: "${WHOLE_URL}"}
"""
    ada, seven, zoe = read(tmp_path, text, lessons)
    assert (ada.name, ada.folder, ada.database_url) == ("Ada Lovelace", "ada_lovelace", None)
    assert ada.values == {"schema": "ada_lovelace", "rows": 5000, "share": 1, "seed": 1}
    assert seven.values == {
        **{"schema": "seventh", "rows": 70, "share": 1},
        **{"half": False, "names": {"Make": "brand"}},
    }
    # A reference stands for the password as it is, and is not looked into again.
    assert make_url(seven.database_url.reveal()).password == "p@ss/w:rd?%41 ${HOME}"
    assert (zoe.name, zoe.folder) == ("Zoë", "zoe")
    assert zoe.database_url.reveal() == "postgresql://c:coded%40@db.example.org/course"
    assert "coded" not in repr(zoe)


ONE = "learners:\n  - name: Ada\n"
WRONG = {
    "an empty file": ("", "an empty file"),
    "no mapping": ("- a\n", "line 1: expected a class as lines like `key: value`, found a list"),
    "no learners": ("defaults: {rows: 5}\n", "line 1: expected the key `learners`"),
    "nobody": ("learners: []\n", "line 1: expected at least one learner"),
    "learners as a text": ("learners: Ada\n", "line 1: expected learners as lines that begin"),
    "a misspelt key": ("learner:\n  - name: Ada\n", "line 1: .* Did you mean 'learners'"),
    "an unknown key": (f"{ONE}    rowz: 5\n", "line 3: .* found 'rowz'. Did you mean 'rows'"),
    "a misspelt URL": (f"{ONE}    databse_url: x\n", "line 3: .* Did you mean 'database_url'"),
    "an unknown default": (f"defaults:\n  rowz: 5\n{ONE}", "line 2: .*'rowz'"),
    "a default name": (f"defaults:\n  name: Ada\n{ONE}", "line 2: a name belongs to one learner"),
    "a key twice": (f"{ONE}    seed: 1\n    seed: 2\n", "line 4: the key 'seed' is there twice"),
    "no name": ("learners:\n  - seed: 1\n", "line 2: expected a learner with a `name`"),
    "an empty name": ('learners:\n  - name: " "\n', "line 2: expected a name, found an empty"),
    "a number as a name": ("learners:\n  - name: 7\n", "found a whole number"),
    "no text as a name": ("learners:\n  - name:\n", "line 2: .*found nothing"),
    "a name twice": (f"{ONE}  - name: ' Ada '\n", "line 3: the learner in line 2 has the name"),
    "a name spelt twice": (
        "learners:\n  - name: Zo\u00eb\n  - name: Zoe\u0308\n",
        "line 3: the learner in line 2",
    ),
    "an entry that is a text": ("learners:\n  - Ada\n", "line 2: .*found a text"),
    "a text for a number": (f'{ONE}    rows: "5"\n', "line 3: .*whole number .* found a text"),
    "a fraction for a number": (f"{ONE}    rows: 5.5\n", "line 3: .*found a number"),
    "true for a number": (f"{ONE}    rows: true\n", "line 3: .*found true or false"),
    "a number for true": (f"{ONE}    half: 1\n", "line 3: .*takes true or false"),
    "a list for a mapping": (f"{ONE}    names: [1]\n", "line 3: .*found a list"),
    "nothing for a number": (f"{ONE}    rows:\n", "line 3: .*found nothing"),
    "a tag": (f"{ONE}    rows: !secret 5\n", "line 3: expected a value of YAML 1.2"),
    "a URL of another kind": (f"{ONE}    database_url: mysql://h/d\n", "line 3: .*mysql://"),
    "a URL that is none": (f"{ONE}    database_url: postgresql://h:p/d\n", "line 3: .*like"),
    "a number as a URL": (f"{ONE}    database_url: 5\n", "line 3: expected a database URL as a"),
    "a variable that is not set": (
        f"{ONE}    database_url: postgresql://a:${{NOT_SET}}@h/d\n",
        "line 3: expected the environment variable NOT_SET",
    ),
    "a bracket": ("learners: [\n", "line 2, column 1: expected YAML, .*found '<stream end>'|got"),
    "a sign": ("learners: @x\n", r"line 1, column 11: expected YAML, .*cannot start any token"),
    "a control character": ("learners: \x01\n", "expected YAML"),
    "two documents": (f"{ONE}---\n{ONE}", "line 3, column 1: expected YAML"),
    "an alias of nothing": ("learners: *ada\n", "line 1, column 11: expected YAML"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, lessons: list[Lesson], text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(UsageError, match=said) as caught:
        read(tmp_path, text, lessons)
    assert str(tmp_path / "class.yml") in str(caught.value)


def test_the_errors_have_names(tmp_path: Path, lessons: list[Lesson]) -> None:
    with pytest.raises(UnknownParameter):
        read(tmp_path, f"{ONE}    rowz: 5\n", lessons)
    with pytest.raises(WrongParameterType):
        read(tmp_path, f"{ONE}    rows: many\n", lessons)


def test_a_file_that_can_t_be_read_is_told(tmp_path: Path, lessons: list[Lesson]) -> None:
    with pytest.raises(UsageError, match=r"Expected a YAML file .*none\.yml, found none"):
        read_class(tmp_path / "none.yml", lessons)
    (tmp_path / "latin.yml").write_bytes(b"learners: \xe9")
    with pytest.raises(UsageError, match="in UTF-8"):
        read_class(tmp_path / "latin.yml", lessons)


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE}    database_url: mysql://a:{PASSWORD}@h/d\n",
        f"{ONE}    database_url: postgresql://a:{PASSWORD}@b@h/d\n",
        f"{ONE}    database_url: postgresql://a:{PASSWORD}@h:port/d\n",
        f"{ONE}    database_url: postgresql://a:{PASSWORD}${{NOT_SET}}@h/d\n",
        f"{ONE}    database_url: postgresql://${{NOT_SET}}:{PASSWORD}@h:x/d\n",
        f"{ONE}    database_url: [postgresql://a:{PASSWORD}@h/d]\n",
        f"{ONE}    database_url: !x postgresql://a:{PASSWORD}@h/d\n",
        f"{ONE}    database_url: a\n    database_url: postgresql://a:{PASSWORD}@h/d\n",
        f"{ONE}    rows: postgresql://a:{PASSWORD}@h/d\n",
        f"{ONE}    database_uri: postgresql://a:{PASSWORD}@h/d\n",
        f"{ONE}    database_url: *{PASSWORD}\n",
        f"{ONE}    database_url: 'postgresql://a:{PASSWORD}@h/d\n",
        f"{ONE}    database_url: x: {PASSWORD}\n",
        f"{ONE}  postgresql://a:{PASSWORD}@h/d\n",
        f'{ONE}    database_url: "a\\{PASSWORD}"\n',
    ],
)
def test_a_password_is_never_shown(tmp_path: Path, lessons: list[Lesson], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text, lessons)
    shown = traceback.format_exception(caught.value)
    assert PASSWORD not in "".join(shown)
    assert PASSWORD not in str(caught.value)


TROUBLE = [
    "Ada",
    "ada",
    "ADA",
    "a da",
    "CON",
    "nul",
    "com1",
    "public",
    "pg_fan",
    "pg",
    ".",
    "..",
    "李",
]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8, unique=True))
@example(TROUBLE)
@example(["Ada", "ada", *folder_names(["Ada", "ada"])])
@example(["x" * 300, "x" * 301, "\ud800", "a/b", "a\\b", "\0"])
def test_any_text_makes_a_folder_of_its_own(names: list[str]) -> None:
    made = folder_names(names)
    assert len(set(made)) == len(names)
    assert all(re.fullmatch("[a-z0-9_]{1,45}", one) for one in made)
    assert not {"con", "nul", "com1", "public", "extensions"} & set(made)
    assert not any(one.startswith("pg_") for one in made)


def test_plain_names_stay_as_they_are() -> None:
    assert folder_names(["ada", "Zoë Kravitz", "group-7"]) == ["ada", "zoe_kravitz", "group_7"]
