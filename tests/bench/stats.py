"""The numbers of a row, out of its samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

Sample = float | None
"""None: what was waited for never came."""


def came(samples: Iterable[Sample]) -> list[float]:
    """Those that are a number."""
    return [sample for sample in samples if sample is not None]


def percentile(samples: Iterable[Sample], percent: float) -> float | None:
    """The smallest sample that `percent` of them do not exceed; of those that came. None if none did."""
    values = sorted(came(samples))
    return values[max(math.ceil(len(values) * percent / 100), 1) - 1] if values else None


def percentiles(samples: Mapping[str, Iterable[Sample]], percent: float) -> dict[str, float | None]:
    """The same of each side, by name."""
    return {name: percentile(values, percent) for name, values in samples.items()}


def share_within(samples: Sequence[Sample], limit: float) -> float | None:
    """How many of all samples, in percent, came and were up to the limit. None if there are none."""
    if not samples:
        return None
    return 100 * sum(sample is not None and sample <= limit for sample in samples) / len(samples)
