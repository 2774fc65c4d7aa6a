"""The OpenAPI document says what the code does, and the code refuses what it does not say."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate

from app.api.codes import CODES
from tests.support.members import ApiClient

APP = Path(__file__).parents[2] / "app"
NOT_REACHED = {"accounts", "console", "hooks", "sandbox"}
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["u-ann", "order-shipped", "a@example.com", "+447700900412", "\x00", "{{ a }}"]
    )
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = "to template content topic channels strategy data send_at expires_at metadata".split()  # noqa: SIM905
PARTS = "email external_id phone device sms body subject token platform".split()  # noqa: SIM905
NAMES = st.sampled_from([*FIELDS, *PARTS])
WILD = st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON, max_size=4), max_size=6)
# Close enough to a good send that the domain is asked too.
ALMOST = st.fixed_dictionaries(
    {
        "to": st.sampled_from([{"external_id": "u-ann"}, {"email": "a@example.com"}]) | WILD,
        "data": st.fixed_dictionaries({"order": JSON | st.just({"number": "7"})}),
    },
    optional={
        "template": st.just("order-shipped"),
        "topic": st.just("parcels"),
        "content": st.fixed_dictionaries(
            {},
            optional={"sms": st.fixed_dictionaries({"body": st.text(max_size=40)}), "email": WILD},
        ),
        "metadata": st.dictionaries(st.text(max_size=8), JSON, max_size=3),
        "send_at": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        "strategy": st.sampled_from(["all", "first"]),
    },
)


def test_the_document_is_valid(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").json
    validate(document)
    assert document["openapi"] == "3.1.0"


def test_every_call_is_documented_with_its_refusals(client: FlaskClient) -> None:
    paths = client.get("/api/v1/openapi.json").json["paths"]
    assert "/api/v1/notifications" in paths
    for path, calls in paths.items():
        for method, call in calls.items():
            assert call["summary"], (method, path)
            assert call["security"] == [{"key": []}], (method, path)
            assert {"401", "403", "422", "429", "503"} <= set(call["responses"]), (method, path)
            of_bodies = {"413", "415"} & set(call["responses"])
            assert bool(of_bodies) == ("requestBody" in call), (method, path)


def test_the_page_asks_no_outside_host(client: FlaskClient) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//', page.text) == []


def test_every_code_of_the_house_is_documented() -> None:
    """`FieldError("/to", "code", …)` and `Invalid.one(…)` wherever the API may lead."""
    reached = [path for path in APP.rglob("*.py") if not NOT_REACHED & set(path.parts)]
    found = {code for path in reached for code in codes_in(path) if "import" not in path.name}
    assert found - set(CODES) == set()


def codes_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    second = [
        call.args[1]
        for call in calls
        if len(call.args) >= 2 and ast.unparse(call.func) in ("FieldError", "Invalid.one")
    ]
    return {arg.value for arg in second if isinstance(arg, ast.Constant)}


@pytest.mark.usefixtures("shop")
def test_no_body_makes_the_api_fail(api: ApiClient) -> None:
    documented = {202, 400, 422}

    @settings(
        max_examples=120,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
    )
    @given(body=ALMOST | WILD | JSON)
    def post(body: Any) -> None:
        for path in ("/notifications", "/notifications/explain"):
            answer = post_json(api, path, body)
            assert answer.status_code in documented | {200}, answer.text
        answer = post_json(api, "/notifications/batch", {"notifications": [body]})
        assert answer.status_code in documented, answer.text

    post()


def post_json(api: ApiClient, path: str, body: Any) -> Any:
    headers = {"Authorization": f"Bearer {api.secret}", "Content-Type": "application/json"}
    return api.client.post(f"/api/v1{path}", data=json.dumps(body), headers=headers)


def test_no_query_makes_the_api_fail(api: ApiClient, app: Flask) -> None:
    names = st.sampled_from(["limit", "cursor", "contact", "campaign", "channel", "since", "x"])

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(query=st.dictionaries(names, st.text(max_size=30), max_size=3))
    def get(query: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {api.secret}"}
        answer = api.client.get("/api/v1/notifications", query_string=query, headers=headers)
        assert answer.status_code in (200, 422), answer.text

    get()
