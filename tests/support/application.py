"""The application on this worker's database and Valkey, a client for it, and a session."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app import cache
from app import settings as herald_settings
from app.accounts import key_cache, workspace
from app.db import db
from app.sending import domains
from app.settings import Settings
from tests.support.database import Database

PUBLIC_URL = "http://herald.test"
NO_DATABASE = "postgresql+psycopg://nobody@127.0.0.1:9/none"
NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="session")
def settings(
    own_database: Database, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """What a production start would be told, with this worker's servers and folder."""
    var_dir: Path = tmp_path_factory.mktemp("var")
    return herald_settings.load(
        {
            "DATABASE_URL": own_database.url,
            "REDIS_URL": redis_url,
            "HERALD_VAR_DIR": str(var_dir),
            "HERALD_SECRET_KEY": "a key for tests that is long enough to sign with",
            "HERALD_PUBLIC_URL": PUBLIC_URL,
        }
    )


@pytest.fixture(scope="session")
def built_app(settings: Settings) -> Iterator[Flask]:
    """The application, built once per worker; ask for `app`, which also empties the database."""
    from app.factory import create_app  # tests of pure modules need not import the whole house

    app = create_app(settings)
    app.testing = True
    yield app
    with app.app_context():
        db.engine.dispose()


@contextmanager
def another(settings: Settings, **changed: Any) -> Iterator[Flask]:
    """One more application, with some settings changed; its connections end with it."""
    from app.factory import create_app

    made = create_app(replace(settings, **changed))
    yield made
    with made.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def app(built_app: Flask, database: Database, valkey: "redis.Redis") -> Iterator[Flask]:
    """The application with nothing in its database and Valkey but what migrations put there."""
    workspace.forget()
    domains.forget()
    key_cache.forget()
    with built_app.app_context():
        cache.shared().forget_near()
    yield built_app
    with built_app.app_context():
        db.session.remove()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without a past."""
    return app.test_client()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session in an application context; what a test does not commit is rolled back.

    Requests of `client` have a session of their own: commit first what they are to see.
    """
    with app.app_context():
        yield db.session()
        db.session.rollback()
        db.session.remove()
