"""Whole DataFrames as blobs in PostgreSQL, each under a name and a version.

`store` puts, gets, lists and deletes, by `tables`, `rows` and `arguments`; `formats` turns frames
into bytes and back, with `pandas_meta` for what a file can't say itself, `arrow_formats`,
`json_layout` and `json_read`; `binary_copy` and `byte_ranges` carry the bytes; `seal` tells damage;
`exact` tells what differs; `measure` compares the formats.
"""
