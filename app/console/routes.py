"""The blueprints of the console, one per noun."""

from typing import Final

from flask import Blueprint

from app.console import account, api_keys, audit, members, settings, signin

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    signin.blueprint,
    account.blueprint,
    members.blueprint,
    settings.blueprint,
    api_keys.blueprint,
    audit.blueprint,
)
