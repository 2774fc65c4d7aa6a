"""Who works here: invite, change roles, keep out. For owners."""

from collections.abc import Callable, Mapping

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from app import clock, ids
from app.accounts import audit, members, passwords, roles
from app.accounts.models import Member
from app.console import access, forms, pages
from app.db import transaction
from app.errors import Invalid

blueprint = Blueprint("members", __name__, url_prefix="/settings/members")
ROW = "/<public_id>"


@blueprint.get("")
@access.allow("members.edit")
def show() -> Response:
    """All members."""
    return _page()


@blueprint.post("")
@access.allow("members.edit")
def create() -> Response:
    """A new member with a one-time password, which this answer shows and nothing keeps."""
    password, now = passwords.make(), clock.now()
    email, name, role = forms.text("email"), forms.text("name"), forms.text("role")
    try:
        with transaction() as session:
            made = members.create_member(session, email, name, role, password, now, temporary=True)
            _record(session, "create", made, {"role": role})
    except Invalid as refused:
        return _again(refused)
    return _page(made=made, password=password)


@blueprint.post(f"{ROW}/role")
@access.allow("members.edit")
def change_role(public_id: str) -> Response:
    """Another role; it holds from the member's next click on."""
    role = forms.text("role")
    with transaction() as session:
        member = members.by_public_id(session, public_id)
        before = member.role
        members.change_role(session, member.id, role)
        _record(session, "role", member, {"role": {"from": before, "to": role}})
    return pages.toast(_page(), f"{member.name} is {role} now.")


@blueprint.post(f"{ROW}/disable")
@access.allow("members.edit")
def disable(public_id: str) -> Response:
    """Out at once, in every browser."""
    return _change(
        public_id,
        "disable",
        lambda session, member: members.disable(session, member.id, clock.now()),
        "can no longer sign in.",
    )


@blueprint.post(f"{ROW}/enable")
@access.allow("members.edit")
def enable(public_id: str) -> Response:
    """Back in."""
    return _change(
        public_id,
        "enable",
        lambda session, member: members.enable(session, member.id),
        "may sign in again.",
    )


@blueprint.post(f"{ROW}/password")
@access.allow("members.edit")
def reset_password(public_id: str) -> Response:
    """A one-time password, shown once; ends every session of the member."""
    with transaction() as session:
        member = members.by_public_id(session, public_id)
        password = members.reset_password(session, member.id)
        _record(session, "reset_password", member)
    return _page(made=member, password=password)


def _change(
    public_id: str, verb: str, act: Callable[[Session, Member], object], said: str
) -> Response:
    with transaction() as session:
        member = members.by_public_id(session, public_id)
        act(session, member)
        _record(session, verb, member)
    return pages.toast(_page(), f"{member.name} {said}")


def _record(
    session: Session, verb: str, member: Member, detail: dict[str, object] | None = None
) -> None:
    audit.record(session, access.actor(), f"member.{verb}", member.name, detail, clock.now())


def _again(refused: Invalid) -> Response:
    """The form once more, with what is wrong; the list stays as it is."""
    typed = {name: forms.text(name) for name in ("email", "name", "role")}
    answer = _page(errors=refused.by_field(), typed=typed, fragment="members/_fields.html")
    return forms.refused(answer, "#new-member-fields")


def _page(
    made: Member | None = None,
    password: str = "",
    errors: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    fragment: str = "members/_list.html",
) -> Response:
    with transaction() as session:
        rows = members.listed(session)
    return pages.page(
        "members/index.html",
        fragment,
        members=[(ids.encode("mem", row.id), row) for row in rows],
        roles=roles.MEANING,
        made=made,
        password=password,
        errors=errors or {},
        typed=typed or {},
    )
