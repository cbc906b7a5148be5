"""Whole DataFrames as blobs in PostgreSQL, each under a name and a version.

`store` puts, gets, lists and deletes; `formats` turns frames into bytes and back with pyarrow's and
pandas' own writers; `differences` tells what a format would lose; `blob` has the tables and carries
the bytes; `compare` measures the formats.
"""
