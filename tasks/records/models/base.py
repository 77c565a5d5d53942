"""The base of all tables, and the types of columns that are alike on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import BigInteger, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, mapped_column

# Bytewise, as SQLite compares: so an index serves a search by the beginning of a text, whatever the server's locale.
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")

Str = Annotated[str, mapped_column(_TEXT)]
"""Text, compared bytewise."""
Ms = Annotated[int, mapped_column(BigInteger)]
"""Unix milliseconds, or a time in milliseconds."""


class Base(DeclarativeBase):
    """The base of all tables. Each constraint has a name, so that a migration can change it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
