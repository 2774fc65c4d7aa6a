"""Transactions, and what waits for their commit."""

from flask import Flask
from sqlalchemy import text

from app.db import after_commit, transaction


def test_what_fails_after_the_commit_neither_undoes_it_nor_keeps_the_rest_waiting(
    app: Flask,
) -> None:
    done: list[str] = []

    def fail() -> None:
        raise RuntimeError("too late")

    with app.app_context():
        with transaction() as session:
            session.execute(text("create table kept (n int)"))
            after_commit(session, fail)
            after_commit(session, lambda: done.append("the next one"))
        with transaction() as session:
            assert session.execute(text("select count(*) from kept")).scalar() == 0
            session.execute(text("drop table kept"))
    assert done == ["the next one"]
