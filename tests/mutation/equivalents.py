"""Mutations that no test can notice, and why: (file, regular expression of the kind, code, reason)."""

TABLE = [
]
