"""`python -m app.bench.plain.web`: a send endpoint and tracking as one would first write them.

Flask behind the same server as Herald, with as many processes and threads: the body checked by
pydantic, one row by the ORM, one job by `actor.send()`.
"""

import argparse
from typing import Annotated, Any, Final

from flask import Flask, Response, abort, redirect, request
from granian import Granian
from granian.constants import Interfaces
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import settings
from app.bench.plain import queue
from app.bench.plain.tables import Hit, Message
from app.signing import Signer
from app.tracking.tokens import Tokens

THREADS: Final = 8
KEY: Final = "Bearer plain"


class To(BaseModel):
    """An address."""

    model_config = ConfigDict(extra="forbid")
    email: Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]


class Body(BaseModel):
    """What is to be sent to whom."""

    model_config = ConfigDict(extra="forbid")
    template: Annotated[str, Field(min_length=1, max_length=200)]
    to: To
    data: dict[str, Any] = {}


def application() -> Flask:
    """The WSGI app of one process."""
    found = settings.load()
    engine = create_engine(found.database_url, pool_size=THREADS)
    job = queue.hand_over(queue.broker(found.redis_url), _elsewhere)
    app = Flask(__name__)

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.post("/send")
    def send() -> tuple[dict[str, Any], int] | Response:
        if request.headers.get("Authorization") != KEY:
            return Response(status=401)
        try:
            body = Body.model_validate_json(request.get_data())
        except ValidationError as error:
            return Response(error.json(), 422, content_type="application/json")
        with Session(engine) as session:
            row = Message(
                address=body.to.email, template=body.template, data=body.data, status="queued"
            )
            session.add(row)
            session.commit()
            key = row.id
        job.send(key)
        return {"id": key, "status": "queued"}, 202

    _track(app, engine, Tokens.of(found).track)
    return app


def _track(app: Flask, engine: Engine, signer: Signer) -> None:
    """Opens and clicks: a signed token, one row."""

    def keep(token: str, kind: str, link: int) -> None:
        key = signer.unsign_id(token)
        if key is None:
            abort(404)
        agent = request.headers.get("User-Agent", "")[:120]
        with Session(engine) as session:
            session.add(Hit(message_id=key, kind=kind, link=link, agent=agent))
            session.commit()

    @app.get("/o/<token>.gif")
    def opened(token: str) -> Response:
        keep(token, "opened", 0)
        return Response(b"GIF89a", content_type="image/gif")

    @app.get("/c/<token>/<int:number>")
    def clicked(token: str, number: int) -> AnyResponse:
        keep(token, "clicked", number)
        return redirect("https://shop.example.com/orders", 302)


def _elsewhere(_message_id: int) -> None:
    """The web server only asks; the work is not part of this comparison."""


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="Serve the endpoint.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    chosen = parser.parse_args()
    Granian(
        "app.bench.plain.web:application",
        address="127.0.0.1",
        port=chosen.port,
        interface=Interfaces.WSGI,
        workers=chosen.workers,
        blocking_threads=THREADS,
        websockets=False,
        factory=True,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    main()
