from __future__ import annotations

import resource

import pytest

from tasks.settings.capacity import slot_limit


@pytest.mark.parametrize(
    ("files", "slots"), [(65536, 1000), (1 << 20, 1000), (resource.RLIM_INFINITY, 1000), (1024, 56), (100, 1)]
)
def test_the_most_slots_follow_from_the_open_files(monkeypatch: pytest.MonkeyPatch, files: int, slots: int) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (files, files))
    assert slot_limit() == slots
