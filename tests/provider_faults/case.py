"""One row of the table: which provider fails, how, and whether another one can take its place."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from pipeline.providers.extra_options import Kind
from tests.provider_emulators.server import Fault

KINDS: tuple[Kind, ...] = ("stt", "llm", "tts")


@dataclass(frozen=True, slots=True)
class Case:
    """The `kind` of provider whose first choice fails with `fault`."""

    kind: Kind
    fault: Fault
    fallback: bool

    @property
    def name(self) -> str:
        """As `--only` has it, and the tenant."""
        return f"{self.kind}-{self.fault.name.lower()}-{'with' if self.fallback else 'without'}"


CASES = tuple(Case(kind, fault, fallback) for kind, fault, fallback in product(KINDS, Fault, (False, True)))
