"""The journal: SQLite, its migrations and its queries."""
