"""A scrape of the exporter, as Prometheus does it."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


def labels(**named: str) -> Labels:
    return frozenset(named.items())


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples: dict[tuple[str, Labels], float] = {}
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"{key} is there twice"
                self.samples[key] = sample.value

    def value(self, name: str, **named: str) -> float | None:
        """Return the value of a sample, `switchboard_` left out; None if it is not there."""
        return self.samples.get((f"switchboard_{name}", labels(**named)))

    def only(self, name: str, *, without_zeros: bool = False) -> dict[Labels, float]:
        """Return the samples of one name by their labels."""
        wanted = f"switchboard_{name}"
        return {
            found: value
            for (sample, found), value in self.samples.items()
            if sample == wanted and (value or not without_zeros)
        }

    @property
    def ours(self) -> Mapping[tuple[str, Labels], float]:
        """Samples of the installation, and not of the exporter's own process."""
        return {key: value for key, value in self.samples.items() if key[0].startswith("switchboard_")}


async def scrape(url: str, *, accept: str = "text/plain") -> Scrape:
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Accept": accept}) as response:
        assert response.status == 200
        return Scrape(await response.text())
