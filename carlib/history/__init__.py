"""What cars were: changing one car, asking about the past, and archiving what is old.

`changes` writes, `queries` reads, `archive` moves old rows from the table into Parquet files. Loads
write history too, in `carlib.loading.delta`; the tables are those of `carlib.models`.
"""
