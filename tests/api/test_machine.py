"""What load balancers and monitoring are told."""

import pytest
from flask.testing import FlaskClient
from prometheus_client import CONTENT_TYPE_LATEST

from app.migrate import head
from tests.support.database import Database


def test_a_living_process_is_healthy(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_it_is_ready_when_every_part_is_well(client: FlaskClient) -> None:
    answer = client.get("/readyz")
    parts = {"database": "ok", "migrations": "ok", "queue": "ok"}
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "parts": parts})
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_database_behind_the_code_is_not_ready(client: FlaskClient, database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    answer = client.get("/readyz")
    with database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [head()])
    assert answer.status_code == 503
    assert answer.json == {
        "status": "unready",
        "parts": {"database": "ok", "migrations": "behind", "queue": "ok"},
    }


def test_an_old_process_serves_on_while_the_new_version_is_put_in(
    client: FlaskClient, database: Database
) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    answer = client.get("/readyz")
    with database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [head()])
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["parts"]["migrations"] == "ahead"


def test_metrics_are_for_this_machine(client: FlaskClient) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type == CONTENT_TYPE_LATEST
    assert 'herald_queue_waiting{queue="email.bulk"} 0.0' in answer.text


@pytest.mark.parametrize("address", ["10.0.0.7", "203.0.113.9", "::ffff:10.0.0.7"])
def test_metrics_are_not_for_other_machines(client: FlaskClient, address: str) -> None:
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == 403


def test_a_proxy_on_this_machine_does_not_open_the_metrics(client: FlaskClient) -> None:
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 403
