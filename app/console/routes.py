"""The blueprints of the console, one per noun."""

from typing import Final

from flask import Blueprint

from app.console import (
    account,
    api_keys,
    audit,
    members,
    settings,
    signin,
    template_editor,
    template_test,
    template_versions,
    templates,
)

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (
    signin.blueprint,
    account.blueprint,
    members.blueprint,
    settings.blueprint,
    api_keys.blueprint,
    audit.blueprint,
    templates.blueprint,
    template_editor.blueprint,
    template_test.blueprint,
    template_versions.blueprint,
)
