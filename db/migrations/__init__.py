"""The schema's history, one file per step in versions/; `db.migrate` runs it."""
