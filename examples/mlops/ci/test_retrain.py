"""Which models are trained again, and under which version."""

import datetime

import pytest

from retrain import is_due, next_build

NOW = datetime.datetime(2026, 3, 1, 2, 30, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    "hours_old, limit, due", [(23.9, 24, False), (24, 24, True), (0, 0, True), (100, 168, False)]
)
def test_age_decides(hours_old, limit, due):
    """A version is due from the hour on at which it reaches the limit."""
    created = NOW - datetime.timedelta(hours=hours_old)
    assert is_due(created, NOW, limit) is due


@pytest.mark.parametrize(
    "version, following", [("1.2.0", "1.2.0+r1"), ("1.2.0+r1", "1.2.0+r2"), ("0.0.9+r9", "0.0.9+r10")]
)
def test_the_same_code_keeps_its_number(version, following):
    """Only the build number grows."""
    assert next_build(version) == following


@pytest.mark.parametrize("text", ["", "1.2", "v1.2.0", "1.2.0+build"])
def test_anything_else_is_no_version(text):
    """A version that nobody made is not counted on."""
    with pytest.raises(ValueError):
        next_build(text)
