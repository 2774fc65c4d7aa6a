"""The Flask app beside the wires: the control API for tests, and the outbox for people."""

from flask import Flask, redirect
from werkzeug.wrappers import Response

from app.sandbox.control import Parts, control
from app.sandbox.outbox import outbox

__all__ = ["Parts", "furnish"]


def furnish(app: Flask, parts: Parts) -> None:
    """Give the app its pages."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(control(parts))
    app.register_blueprint(outbox(parts.desk))

    @app.get("/")
    def home() -> Response:
        return redirect("/outbox")
