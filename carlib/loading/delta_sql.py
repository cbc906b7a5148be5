"""Builds the one statement that compares, changes and remembers, for a load and for one car.

SQLAlchemy has no construct for MERGE or for OLD in RETURNING, so the text is put together here,
from the names of columns that the models know and from nothing else.
"""

from collections.abc import Collection
from textwrap import indent

from sqlalchemy.dialects import postgresql

from carlib.loading.prepare import TABLE_COLUMNS
from carlib.models import CarInfo

# A car's values in car_info, with the columns of a cars frame that each comes from.
SOURCES = {
    "vin": ("vin",),
    "model_id": ("brand", "model"),
    "engine_size": ("engine_size",),
    "color": ("color",),
    "price": ("price",),
    "status": ("status",),
}
LOGGED = [column.name for column in CarInfo.__table__.columns]


def value_columns(columns: Collection[str], key: str = "vin") -> list[str]:
    """The columns of car_info that these columns of a cars frame have values for, but the key."""
    return [n for n, needs in SOURCES.items() if n != key and set(needs) <= set(columns)]


def row_of_parameters(columns: Collection[str]) -> str:
    """What stands for `staging` where one car is changed: a row of its id and new values.

    Each parameter has its column's type: compared as text, 15000 and 15000.00 would differ.
    """
    dialect = postgresql.dialect()
    types = {name: TABLE_COLUMNS[name].type.compile(dialect) for name in columns}
    types["car_id"] = "uuid"
    values = ", ".join(f"CAST(:{name} AS {kind}) AS {name}" for name, kind in types.items())
    return f"(SELECT 0 AS row, {values})"


def source_query(columns: Collection[str], rows: str = "staging", key: str = "vin") -> str:
    """A SELECT that gives the rows with the keys of their models, null where unknown.

    The joins are outer ones: the planner knows that these keep every row, whereas of inner ones,
    with the model depending on the brand, it expects far too few rows and looks each up alone.
    """
    values = [name for name in value_columns(columns, key) if name != "vin"]
    vin = ["s.vin"] * ("vin" in columns)
    selected = ["s.car_id", *vin, *(f"{'m' if v == 'model_id' else 's'}.{v}" for v in values)]
    joins = (
        "\nLEFT JOIN car_brand AS b ON b.name = s.brand"
        "\nLEFT JOIN car_model AS m ON m.brand_id = b.brand_id AND m.name = s.model"
    )
    return f"SELECT {', '.join(selected)}\nFROM {rows} AS s" + joins * ("model_id" in values)


def differs(columns: Collection[str], key: str = "vin") -> str:
    """A condition: the car `c` has other values than the row `s`. NULL equals NULL."""
    values = value_columns(columns, key)
    old, new = (", ".join(f"{table}.{v}" for v in values) for table in "cs")
    return f"ROW({old})\nIS DISTINCT FROM ROW({new})" if values else "false"


def merge_statement(
    columns: Collection[str],
    *,
    insert: bool = False,
    delete_missing: bool = False,
    delete: bool = False,
    rows: str = "staging",
    key: str = "vin",
) -> str:
    """The statement that a load, or a change of one car, comes down to.

    MERGE compares the rows with the cars, and RETURNING hands on what the changed and deleted ones
    were before; the same statement writes that into the history. It ends in the number of cars for
    each action. Its parameter is `loaded_at`.

    Args:
        columns: The columns of the frame; only these are compared and updated.
        insert: Whether the frame has all that new cars need.
        delete_missing: Whether cars that the frame does not mention are deleted.
        delete: Whether the cars of the rows are deleted.
        rows: Where the rows are: the staging table, or one row of parameters.
        key: By which column of car_info the rows find their cars.
    """
    values = value_columns(columns, key)
    names, staged = ", ".join(values), ", ".join(f"s.{name}" for name in values)
    clauses = []
    if delete:
        clauses.append("WHEN MATCHED THEN DELETE")
    elif values:
        clauses.append(
            f"WHEN MATCHED AND {differs(columns, key)} THEN\n"
            f"  UPDATE SET ({names}, valid_from) = ({staged}, :loaded_at)"
        )
    if insert:
        clauses.append(
            f"WHEN NOT MATCHED THEN\n  INSERT (car_id, vin, {names}, valid_from)\n"
            f"  VALUES (s.car_id, s.vin, {staged}, :loaded_at)"
        )
    if delete_missing:
        refused = "SELECT vin FROM refused_vin"
        clauses.append(f"WHEN NOT MATCHED BY SOURCE AND c.vin NOT IN ({refused}) THEN DELETE")
    logged, old = ", ".join(LOGGED), ", ".join(f"old.{name}" for name in LOGGED)
    # The id that was staged in case the car is new serves its history instead.
    history_id = "coalesce(s.car_id, uuidv7())" if key == "vin" else "uuidv7()"
    return f"""\
WITH source AS (
{indent(source_query(columns, rows, key), "  ")}
), merged AS (
  MERGE INTO car_info AS c
  USING source AS s ON c.{key} = s.{key}
{indent(chr(10).join(clauses) or "WHEN MATCHED THEN DO NOTHING", "  ")}
  RETURNING merge_action() AS action, {history_id} AS history_id,
            {old}
), logged AS (
  INSERT INTO car_info_history (history_id, {logged}, "timestamp", operation)
  SELECT history_id, {logged}, :loaded_at, lower(action)
  FROM merged WHERE action <> 'INSERT'
)
SELECT action, count(*) FROM merged GROUP BY action"""
