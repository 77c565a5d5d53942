"""Cards dealt from a shuffled deck, and from the deck shuffled anew when it is empty, so that no card is rare."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Deck(Generic[T]):
    """A deck. The same seed and name deal the same cards in the same order."""

    def __init__(self, seed: int, name: str, cards: Sequence[T]) -> None:
        self._random = random.Random(f"{seed} {name}")
        self._cards = list(cards)
        self._left: list[T] = []

    def deal(self) -> T:
        """Return the next card."""
        if not self._left:
            self._left = self._cards.copy()
            self._random.shuffle(self._left)
        return self._left.pop()
