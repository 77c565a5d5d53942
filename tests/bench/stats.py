"""Statistics of samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

Sample = float | None
"""None: the event never came."""


def present(samples: Iterable[Sample]) -> list[float]:
    """Return the samples that are numbers."""
    return [sample for sample in samples if sample is not None]


def percentile(samples: Iterable[Sample], percent: float) -> float | None:
    """Return the smallest sample that `percent` of the numbers do not exceed. None if there are none."""
    values = sorted(present(samples))
    return values[max(math.ceil(len(values) * percent / 100), 1) - 1] if values else None


def percentiles(samples: Mapping[str, Iterable[Sample]], percent: float) -> dict[str, float | None]:
    """Return the percentile of each side, by name."""
    return {name: percentile(values, percent) for name, values in samples.items()}


def share_within(samples: Sequence[Sample], limit: float) -> float | None:
    """Return the percentage of all samples that are numbers up to the limit. None if there are no samples."""
    if not samples:
        return None
    return 100 * sum(sample is not None and sample <= limit for sample in samples) / len(samples)
