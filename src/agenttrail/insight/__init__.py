"""Stage 7: questions. Reads masked JSON Lines with DuckDB: no server, one laptop."""
