"""The names of the keys. Only this file and the docstring of the package spell them."""

from __future__ import annotations

PREFIX = "switchboard:"
TENANTS = f"{PREFIX}tenants"
NUMBERS = f"{PREFIX}numbers"
SEALED = f"{PREFIX}sealed"

PERMANENT = frozenset({TENANTS, NUMBERS, SEALED})
