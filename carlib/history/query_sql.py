"""The questions about history as SQL, and the columns of their answers.

The parameters are in psycopg2's form, since the answers come by COPY (see `copy_out`).
"""

import pyarrow as pa

INSTANT = pa.timestamp("us", "UTC")

_VALUES = ["vin", "engine_size", "color", "price", "status", "valid_from", "valid_to"]
LIFE = ["brand", "model", *_VALUES, "operation"]
FLEET = ["car_id", "brand", "model", *_VALUES]
CHANGES = ["car_id", "vin", "brand", "model", "changed_at", "old_price", "new_price", "difference"]

_TYPES = {
    **dict.fromkeys(["engine_size", "price", "old_price", "new_price", "difference"], pa.float64()),
    **dict.fromkeys(["valid_from", "valid_to", "changed_at"], INSTANT),
    "status": pa.bool_(),
}


def schema(columns: list[str]) -> pa.Schema:
    """The Arrow schema of a query's result; columns of no other type are text."""
    return pa.schema([(name, _TYPES.get(name, pa.string())) for name in columns])


VERSION = schema([*FLEET, "operation"])
_VERSIONS = """
SELECT v.car_id, b.name, m.name, v.vin, v.engine_size, v.color, v.price, v.status,
       v.valid_from, v.valid_to, v.operation
FROM (
  SELECT car_id, model_id, vin, engine_size, color, price, status,
         valid_from, "timestamp" AS valid_to, operation
  FROM car_info_history WHERE {past}
  UNION ALL
  SELECT car_id, model_id, vin, engine_size, color, price, status, valid_from, NULL, NULL
  FROM car_info WHERE {present}
) v
LEFT JOIN car_model m USING (model_id) LEFT JOIN car_brand b USING (brand_id)
"""
LIFE_QUERY = _VERSIONS.format(past="car_id = %(car_id)s::uuid", present="car_id = %(car_id)s::uuid")
FLEET_QUERY = _VERSIONS.format(
    past="valid @> %(when)s::timestamptz", present="valid_from <= %(when)s::timestamptz"
)
# The version that follows begins when its predecessor ends. It is asked for twice: `=` lets many
# changes be joined by a hash, `@>` lets few be looked up in the key. A deletion has no follower:
# neither it nor a return is a change of price.
PRICES_QUERY = """
SELECT h.car_id, h.vin, b.name, m.name, h."timestamp", h.price, coalesce(n.price, c.price),
       coalesce(n.price, c.price) - h.price
FROM car_info_history h
LEFT JOIN car_info_history n ON n.car_id = h.car_id
  AND n.valid_from = h."timestamp" AND n.valid @> h."timestamp"
LEFT JOIN car_info c ON c.car_id = h.car_id AND c.valid_from = h."timestamp"
LEFT JOIN car_model m ON m.model_id = h.model_id LEFT JOIN car_brand b USING (brand_id)
WHERE h.operation = 'update' AND coalesce(n.price, c.price) <> h.price
  AND (%(since)s::timestamptz IS NULL OR h."timestamp" >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR h."timestamp" < %(until)s::timestamptz)
"""
NAMES_QUERY = """
SELECT m.model_id, b.name, m.name FROM car_model m JOIN car_brand b USING (brand_id)
WHERE m.model_id = ANY (%(model_ids)s::uuid[])
"""
