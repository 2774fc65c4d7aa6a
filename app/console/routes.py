"""The blueprints of the console, one per noun."""

from typing import Final

from flask import Blueprint

from app.console import signin

BLUEPRINTS: Final[tuple[Blueprint, ...]] = (signin.blueprint,)
