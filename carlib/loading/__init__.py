"""Loading: from a cars frame to rows in the tables.

`prepare` cleans rows or refuses them with a reason, `staging` copies them into a temporary table,
`initial` and `delta` bring them from there into the tables, `report` says what was done.
"""
