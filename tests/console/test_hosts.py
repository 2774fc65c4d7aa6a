"""Herald answers only to its own names."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from app.db import db
from app.factory import create_app


@pytest.fixture
def named(app: Flask) -> Iterator[Flask]:
    """The application as it runs behind one name."""
    made = create_app(replace(app.config["HERALD"], trusted_hosts=("herald.example.com",)))
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("path", ["/", "/signin", "/nowhere", "/api/v1/notifications", "/metrics"])
def test_a_foreign_name_is_refused_with_a_sentence(named: Flask, path: str) -> None:
    answer = named.test_client().get(path, base_url="http://elsewhere.example")
    assert answer.status_code == 400
    assert "elsewhere.example" not in answer.text
    assert answer.text


def test_its_own_name_is_answered(named: Flask) -> None:
    answer = named.test_client().get("/signin", base_url="http://herald.example.com")
    assert answer.status_code == 200
