"""Builds the one statement that compares, changes and remembers.

SQLAlchemy has no construct for MERGE or for OLD in RETURNING, so the text is put together here,
from the names of columns that the models know and from nothing else.
"""

from collections.abc import Collection
from textwrap import indent

from carlib.models import CarInfo

# A car's values in car_info, with the columns of a cars frame that each comes from.
SOURCES = {
    "model_id": ("brand", "model"),
    "engine_size": ("engine_size",),
    "color": ("color",),
    "price": ("price",),
    "status": ("status",),
}
LOGGED = [column.name for column in CarInfo.__table__.columns]


def value_columns(frame_columns: Collection[str]) -> list[str]:
    """The columns of car_info that a frame with these columns has values for."""
    return [name for name, needs in SOURCES.items() if set(needs) <= set(frame_columns)]


def source_query(frame_columns: Collection[str]) -> str:
    """A SELECT that gives the staged rows with the keys of their models, null where unknown.

    The joins are outer ones: the planner knows that these keep every row, whereas of inner ones,
    with the model depending on the brand, it expects far too few rows and looks each up alone.
    """
    values = value_columns(frame_columns)
    columns = ["s.car_id", "s.vin", *(f"{'m' if v == 'model_id' else 's'}.{v}" for v in values)]
    joins = (
        "\nLEFT JOIN car_brand AS b ON b.name = s.brand"
        "\nLEFT JOIN car_model AS m ON m.brand_id = b.brand_id AND m.name = s.model"
    )
    return f"SELECT {', '.join(columns)}\nFROM staging AS s" + joins * ("model_id" in values)


def differs(frame_columns: Collection[str]) -> str:
    """A condition: the car `c` has other values than the row `s`. NULL equals NULL."""
    values = value_columns(frame_columns)
    old, new = (", ".join(f"{table}.{v}" for v in values) for table in "cs")
    return f"ROW({old})\nIS DISTINCT FROM ROW({new})" if values else "false"


def merge_statement(frame_columns: Collection[str], *, insert: bool, delete_missing: bool) -> str:
    """The statement that a delta load comes down to.

    MERGE compares the staged rows with the cars, and RETURNING hands on what the changed and
    deleted ones were before; the same statement writes that into the history. It ends in the
    number of cars for each action. Its parameter is `loaded_at`.

    Args:
        frame_columns: The columns of the frame; only these are compared and updated.
        insert: Whether the frame has all that new cars need.
        delete_missing: Whether cars that the frame does not mention are deleted.
    """
    clauses = _merge_clauses(frame_columns, insert=insert, delete_missing=delete_missing)
    logged = ", ".join(LOGGED)
    old = [f"old.{name}" for name in LOGGED]
    return f"""\
WITH source AS (
{indent(source_query(frame_columns), "  ")}
), merged AS (
  MERGE INTO car_info AS c
  USING source AS s ON c.vin = s.vin
{indent(clauses, "  ")}
  RETURNING merge_action() AS action,
            coalesce(s.car_id, uuidv7()) AS history_id,
            {", ".join(old[:5])},
            {", ".join(old[5:])}
), logged AS (
  INSERT INTO car_info_history
         (history_id, {logged},
          "timestamp", operation)
  SELECT history_id, {logged},
         :loaded_at, lower(action)
  FROM merged WHERE action <> 'INSERT'
)
SELECT action, count(*) FROM merged GROUP BY action"""


def _merge_clauses(frame_columns: Collection[str], *, insert: bool, delete_missing: bool) -> str:
    values = value_columns(frame_columns)
    staged = [f"s.{name}" for name in values]
    clauses = []
    if values:
        condition = differs(frame_columns).replace("\n", "\n     ")
        clauses.append(
            f"WHEN MATCHED AND {condition} THEN\n"
            f"  UPDATE SET ({', '.join([*values, 'valid_from'])})\n"
            f"           = ({', '.join([*staged, ':loaded_at'])})"
        )
    if insert:
        clauses.append(
            f"WHEN NOT MATCHED THEN\n"
            f"  INSERT ({', '.join(['car_id', 'vin', *values, 'valid_from'])})\n"
            f"  VALUES ({', '.join(['s.car_id', 's.vin', *staged, ':loaded_at'])})"
        )
    if delete_missing:
        clauses.append(
            "WHEN NOT MATCHED BY SOURCE"
            " AND c.vin NOT IN (SELECT vin FROM refused_vin) THEN\n  DELETE"
        )
    return "\n".join(clauses) or "WHEN MATCHED THEN DO NOTHING"
