"""The errors of tasks, as Celery takes them from one process to another."""

from __future__ import annotations

import pickle

from celery.utils.serialization import get_pickleable_exception

from tasks.errors import InvalidSetting, InvalidSettings, RedisUnavailable


def test_an_error_of_a_task_is_to_celery_what_it_was() -> None:
    # Otherwise Celery wraps it, and logs a task that `throws` it as unexpected.
    error = RedisUnavailable(seconds=0.5, error="ConnectionError")
    assert get_pickleable_exception(error) is error


def test_errors_keep_their_message_and_what_they_name() -> None:
    setting = InvalidSetting(name="SWITCHBOARD_SLOTS", value="{many}", cure="give a number")
    errors: list[InvalidSetting] = [setting, InvalidSettings([setting, setting])]
    for error in errors:
        restored = pickle.loads(pickle.dumps(error))  # noqa: S301 - made on the line itself
        assert type(restored) is type(error)
        assert str(restored) == str(error)
        assert restored.name == "SWITCHBOARD_SLOTS"
