"""Declarations: strict YAML, schemas, source positions, references, differences, generations."""
