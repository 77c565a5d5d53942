"""The agent of the rehearsal: always to be heard, and so cheap that two cores carry a dozen."""

from __future__ import annotations

from tests.campaign.agents import hum

__all__ = ["hum"]
