"""The append-only record: one SQLite journal a run, one a grader digest, Parquet when finished."""
