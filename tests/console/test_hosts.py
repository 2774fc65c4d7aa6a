"""Herald answers only to its own names."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.support.application import another


@pytest.fixture
def named(app: Flask) -> Iterator[Flask]:
    """The application as it runs behind one name."""
    with another(app.config["HERALD"], trusted_hosts=("herald.example.com",)) as made:
        yield made


@pytest.mark.parametrize("path", ["/", "/signin", "/nowhere", "/api/v1/notifications", "/metrics"])
def test_a_foreign_name_is_refused_with_a_sentence(named: Flask, path: str) -> None:
    answer = named.test_client().get(path, base_url="http://elsewhere.example")
    assert answer.status_code == 400
    assert "elsewhere.example" not in answer.text
    assert answer.text


def test_its_own_name_is_answered(named: Flask) -> None:
    answer = named.test_client().get("/signin", base_url="http://herald.example.com")
    assert answer.status_code == 200
