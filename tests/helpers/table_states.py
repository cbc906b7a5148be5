"""What a schema holds, rows and definitions, to compare before and after; and SQL to change it."""

from typing import Any

from sqlalchemy import Engine, text

CATALOG = {
    "columns": """
        SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,
               pg_get_expr(adbin, adrelid)
        FROM pg_attribute JOIN pg_class r ON r.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = to_regnamespace(current_schema()) AND attnum > 0 AND NOT attisdropped
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated,
               obj_description(oid, 'pg_constraint')
        FROM pg_constraint WHERE connamespace = to_regnamespace(current_schema())
    """,
    "indexes": """
        SELECT pg_get_indexdef(indexrelid), indisvalid, indisclustered, indisreplident,
               obj_description(indexrelid, 'pg_class')
        FROM pg_index JOIN pg_class r ON r.oid = indexrelid
        WHERE relnamespace = to_regnamespace(current_schema())
    """,
    "relations": """
        SELECT relname, relkind::text FROM pg_class
        WHERE relnamespace = to_regnamespace(current_schema())
    """,
}


def catalog(engine: Engine) -> dict[str, list[tuple]]:
    """The definitions of everything in the engine's schema."""
    with engine.connect() as connection:
        return {
            kind: sorted(map(tuple, connection.execute(text(query))), key=repr)
            for kind, query in CATALOG.items()
        }


def snapshot(engine: Engine) -> dict[str, Any]:
    """The definitions, and all rows of all tables with their keys."""
    found: dict[str, Any] = {"catalog": catalog(engine)}
    with engine.connect() as connection:
        for name, kind in found["catalog"]["relations"]:
            if kind in "rp":
                rows = connection.exec_driver_sql(f'SELECT t::text FROM "{name}" t')
                found[name] = sorted(rows.scalars())
    return found


def stored_cars(engine: Engine) -> list[dict[str, Any]]:
    """The cars in the tables in the order of their keys, as the columns of a cars frame."""
    query = """
        SELECT b.name AS brand, m.name AS model, vin, engine_size, color, price, status
        FROM car_info JOIN car_model m USING (model_id) JOIN car_brand b USING (brand_id)
        ORDER BY car_id
    """
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def stored_names(engine: Engine) -> set[tuple[str, str | None]]:
    """The brands and models in the tables; a brand without models comes with None."""
    query = "SELECT b.name, m.name FROM car_brand b LEFT JOIN car_model m USING (brand_id)"
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(text(query))}


def run(engine: Engine, *statements: str) -> None:
    """Run SQL as it is, percent signs and colons too."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
