"""The Flask app beside the wires: the control API for tests, and the outbox for people."""

from flask import Flask, redirect
from werkzeug.wrappers import Response

from app.sandbox.control import control
from app.sandbox.desk import Desk
from app.sandbox.events.emitter import Emitter
from app.sandbox.outbox import outbox
from app.sandbox.wires.twilio import Twilio


def create_pages(desk: Desk, emitter: Emitter, twilio: Twilio) -> Flask:
    """The pages of one sandbox."""
    app = Flask("app.sandbox", static_url_path="/outbox/static")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.register_blueprint(control(desk, emitter, twilio))
    app.register_blueprint(outbox(desk))

    @app.get("/")
    def home() -> Response:
        return redirect("/outbox")

    return app
