"""Whole DataFrames as blobs in PostgreSQL, each under a name and a version."""
