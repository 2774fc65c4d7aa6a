"""Logs tell what happened, never to whom."""

from app.log import MASK, mask, without_rows


def _masked(**fields: object) -> dict[str, object]:
    return dict(mask(None, "info", {"event": "sent", **fields}))


def test_addresses_secrets_and_bodies_are_hidden() -> None:
    event = _masked(to="ada@example.com", api_key="hk_live_1", html="<p>", batch=12)
    assert event == {"event": "sent", "to": MASK, "api_key": MASK, "html": MASK, "batch": 12}


def test_a_line_break_in_a_value_does_not_start_a_line() -> None:
    assert _masked(code="500\nforged entry")["code"] == "500\\nforged entry"


def test_ids_and_counts_are_shown() -> None:
    assert _masked(notification="ntf_1", channel="email") == {
        "event": "sent",
        "notification": "ntf_1",
        "channel": "email",
    }


def test_the_row_that_the_database_refused_is_hidden() -> None:
    told = 'duplicate key "uq"\nDETAIL:  Key (email)=(ada@example.com) exists.\n[SQL: INSERT]'
    event = without_rows(None, "error", {"event": "failed", "exception": [{"exc_value": told}]})
    found = str(event["exception"])
    assert "ada@example.com" not in found
    assert "duplicate key" in found
    assert "[SQL: INSERT]" in found
