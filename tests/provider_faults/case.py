"""One row of the table: the kind of provider, its fault, and whether it has a fallback."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from pipeline.options import Kind
from tests.provider_emulators.server import Fault

KINDS: tuple[Kind, ...] = ("stt", "llm", "tts")


@dataclass(frozen=True, slots=True)
class Case:
    """A case: the first provider of this kind fails with `fault`.

    `endpointing_seconds`: the shortest silence that ends the caller's turn; None for the default.
    """

    kind: Kind
    fault: Fault
    fallback: bool
    endpointing_seconds: float | None = None

    @property
    def name(self) -> str:
        """The name for `--only`, and of the tenant."""
        return f"{self.kind}-{self.fault.name.lower()}-{'with' if self.fallback else 'without'}"


CASES = tuple(Case(kind, fault, fallback) for kind, fault, fallback in product(KINDS, Fault, (False, True)))
