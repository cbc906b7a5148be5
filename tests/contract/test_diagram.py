"""The entity-relationship diagram says what the tables say, in Mermaid's language."""

import re

import pytest
from sqlalchemy import (
    ARRAY,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    inspect,
)
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE

from carlib import Base, create_tables, entity_relationship_diagram
from carlib.errors import BadArgument

# Mermaid's grammar for erDiagram (erDiagram.jison): a relation, a box, and an attribute in it.
RELATION = re.compile(r"    (\w+) \|\|--o\{ (\w+) : \w+")
BOX = re.compile(r"    (\w+) \{")
ATTRIBUTE = re.compile(
    r"        ([A-Za-z_][A-Za-z0-9\-_\[\]()]*) (\w+)((?: (?:PK|FK|UK)(?:, (?:PK|FK|UK))*)?)"
)


def parse(diagram):
    """Relations as pairs, and the boxes: {table: {column: (type, marks)}}."""
    first, *lines = diagram.split("\n")
    assert first == "erDiagram"
    relations, boxes, box = [], {}, None
    for line in lines:
        if box is None and (found := RELATION.fullmatch(line)):
            relations.append(found.groups())
        elif box is None and (found := BOX.fullmatch(line)):
            box = boxes.setdefault(found[1], {})
        elif line == "    }":
            box = None
        else:
            kind, name, marks = ATTRIBUTE.fullmatch(line).groups()
            box[name] = (kind, set(marks.replace(",", "").split()))
    assert box is None
    return relations, boxes


def test_the_diagram_is_what_the_database_has(engine):
    create_tables(engine)
    found = inspect(engine)
    relations, boxes = parse(entity_relationship_diagram(Base.metadata))
    tables = found.get_table_names()
    assert set(boxes) == set(tables)
    assert sorted(relations) == sorted(
        (key["referred_table"], table) for table in tables for key in found.get_foreign_keys(table)
    )
    for table, columns in boxes.items():
        assert list(columns) == [column["name"] for column in found.get_columns(table)]
        primary = set(found.get_pk_constraint(table)["constrained_columns"])
        assert {name for name, (_, marks) in columns.items() if "PK" in marks} == primary


def test_types_with_blanks_and_keys_of_several_columns():
    metadata = MetaData()
    Table("a", metadata, Column("x", Integer, primary_key=True), Column("y", Double))
    Table("b", metadata, Column("x", ForeignKey("a.x"), primary_key=True), Column("j", JSONB),
          Column("y", Numeric(5, 1), primary_key=True), Column("r", TSTZRANGE))  # fmt: skip
    Table("c", metadata, Column("x", Integer, unique=True), Column("y", Numeric(5, 1)),
          Column("t", ARRAY(String(3))), ForeignKeyConstraint(["x", "y"], ["b.x", "b.y"]),
          ForeignKeyConstraint(["x"], ["a.x"]))  # fmt: skip
    relations, boxes = parse(entity_relationship_diagram(metadata))
    assert relations == [("a", "b"), ("a", "c"), ("b", "c")]
    assert boxes["a"] == {"x": ("integer", {"PK"}), "y": ("double_precision", set())}
    assert boxes["b"]["x"] == ("integer", {"PK", "FK"})
    assert boxes["c"]["x"] == ("integer", {"FK", "UK"})
    assert boxes["c"]["t"] == ("varchar(3)[]", set())
    assert boxes["c"]["y"] == ("numeric(5_1)", {"FK"})


def test_without_tables_there_is_an_empty_diagram():
    assert entity_relationship_diagram(MetaData()) == "erDiagram"


def test_some_of_the_tables_with_the_lines_between_them():
    relations, boxes = parse(entity_relationship_diagram(Base.metadata, ["car_info", "car_model"]))
    assert relations == [("car_model", "car_info")]
    assert list(boxes) == ["car_model", "car_info"]


def test_a_table_that_is_not_there_is_refused():
    with pytest.raises(BadArgument, match=r"among car_brand, .*; found car_bran"):
        entity_relationship_diagram(Base.metadata, ["car_info", "car_bran"])
