"""A small app that renders the console's templates without a database: for components and pages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin
from flask_wtf.csrf import CSRFProtect

from app.console import pages

ROOT = Path(__file__).resolve().parents[2]

Render = Callable[..., str]


class Somebody(UserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    """An owner who is always signed in."""

    id = "1"
    name = "Maya Lindqvist"
    email = "maya@juniper.example"
    role = "owner"


@pytest.fixture
def drawing_app() -> Flask:
    """Templates, filters and the menu as in the product; the pages are two empty ones."""
    app = Flask("drawing", root_path=str(ROOT))
    app.config.update(SECRET_KEY="drawing", HERALD_ZONE="Europe/London", TESTING=True)
    manager = LoginManager(app)
    manager.request_loader(lambda request: None if "visitor" in request.args else Somebody())
    CSRFProtect(app)
    app.add_url_rule("/", "overview", lambda: pages.page("layout/console.html"))
    app.add_url_rule("/campaigns", "campaigns", lambda: pages.page("layout/console.html"))
    pages.register(app)
    app.jinja_env.globals["installation_hold"] = lambda: None
    return app


@pytest.fixture
def render(drawing_app: Flask) -> Render:
    """Render a template text inside a request: `render('{{ ui.tag("x") }}')`."""

    def rendered(source: str, **context: object) -> str:
        with drawing_app.test_request_context("/campaigns"):
            return drawing_app.jinja_env.from_string(source).render(**context)

    return rendered
