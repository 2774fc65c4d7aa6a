"""API keys from the shell: what a deployment script needs."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import api_keys
from app.accounts.models import ApiKey
from tests.cli.conftest import Herald


@pytest.mark.parametrize(("flags", "prefix"), [((), "hk_live_"), (("--test",), "hk_test_")])
def test_the_key_stands_alone_on_the_last_line(
    herald: Herald, session: Session, flags: tuple[str, ...], prefix: str
) -> None:
    answer = herald("key", "create", "shop", "--scopes", "send,contacts,read", *flags)
    secret = answer.output.splitlines()[-1]
    assert secret.startswith(prefix)
    kept = session.scalars(select(ApiKey)).one()
    assert kept.secret_hash == api_keys.digest(secret)
    assert sorted(kept.scopes) == ["contacts", "read", "send"]


def test_an_unknown_scope_is_refused(herald: Herald, session: Session) -> None:
    answer = herald("key", "create", "shop", "--scopes", "everything")
    assert answer.exit_code == 1
    assert session.scalars(select(ApiKey)).all() == []


def test_a_revoked_key_is_no_longer_listed(herald: Herald) -> None:
    herald("key", "create", "shop")
    public_id = herald("key", "list").output.split()[0]
    assert herald("key", "revoke", public_id).exit_code == 0
    assert herald("key", "list").output == "There are none.\n"
    assert "shop" in herald("key", "list", "--ended").output
