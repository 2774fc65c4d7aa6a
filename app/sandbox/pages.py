"""The Flask app beside the wires: the control API for tests, and the outbox for people."""

from flask import Flask, redirect
from werkzeug.wrappers import Response

from app.sandbox.control import control
from app.sandbox.desk import Desk
from app.sandbox.events.emitter import Emitter
from app.sandbox.wires.twilio import Twilio


def create_pages(desk: Desk, emitter: Emitter, twilio: Twilio) -> Flask:
    """The pages of one sandbox."""
    app = Flask("app.sandbox")
    app.register_blueprint(control(desk, emitter, twilio))

    @app.get("/")
    def home() -> Response:
        return redirect("/outbox")

    return app
