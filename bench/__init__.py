"""Benchmarks; every figure in `docs/` is printed by a command in here."""
