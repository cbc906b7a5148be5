"""Builds the one statement that compares, changes and remembers.

SQLAlchemy has no construct for MERGE or for OLD in RETURNING, so the text is put together here,
from the names of columns that the models know and from nothing else.
"""

from collections.abc import Collection

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
    """A SELECT that gives the staged rows with the keys of their models."""
    values = value_columns(frame_columns)
    columns = ["s.car_id", "s.vin", *(f"{'m' if v == 'model_id' else 's'}.{v}" for v in values)]
    joins = (
        " JOIN car_brand b ON b.name = s.brand"
        " JOIN car_model m ON m.brand_id = b.brand_id AND m.name = s.model"
    )
    return f"SELECT {', '.join(columns)} FROM staging s" + joins * ("model_id" in values)


def differs(frame_columns: Collection[str]) -> str:
    """A condition: the car `c` has other values than the row `s`. NULL equals NULL."""
    values = value_columns(frame_columns)
    old, new = (", ".join(f"{table}.{v}" for v in values) for table in "cs")
    return f"ROW({old}) IS DISTINCT FROM ROW({new})" if values else "false"


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
    values = value_columns(frame_columns)
    clauses = []
    if values:
        updates = ", ".join(f"{v} = s.{v}" for v in values)
        clauses.append(
            f"  WHEN MATCHED AND {differs(frame_columns)} THEN\n"
            f"    UPDATE SET {updates}, valid_from = :loaded_at\n"
        )
    if insert:
        names = ", ".join(["car_id", "vin", *values, "valid_from"])
        new = ", ".join(["s.car_id", "s.vin", *(f"s.{v}" for v in values), ":loaded_at"])
        clauses.append(f"  WHEN NOT MATCHED THEN\n    INSERT ({names})\n    VALUES ({new})\n")
    if delete_missing:
        clauses.append(
            "  WHEN NOT MATCHED BY SOURCE AND c.vin NOT IN (SELECT vin FROM kept) THEN\n"
            "    DELETE\n"
        )
    if not clauses:
        clauses.append("  WHEN MATCHED THEN DO NOTHING\n")
    old = ", ".join(f"old.{name}" for name in LOGGED)
    logged = ", ".join(LOGGED)
    return (
        f"WITH source AS (\n  {source_query(frame_columns)}\n"
        "), merged AS (\n"
        "  MERGE INTO car_info AS c USING source AS s ON c.vin = s.vin\n"
        f"{''.join(clauses)}"
        f"  RETURNING merge_action() AS action, {old}\n"
        "), logged AS (\n"
        f'  INSERT INTO car_info_history ({logged}, "timestamp", operation)\n'
        f"  SELECT {logged}, :loaded_at, lower(action) FROM merged WHERE action <> 'INSERT'\n"
        ")\n"
        "SELECT action, count(*) FROM merged GROUP BY action"
    )
