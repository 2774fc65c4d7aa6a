"""Rendering: a page or its fragment, toasts, asset URLs, the content security policy.

One URL has one template and two renderings. `page()` answers the whole page to a visit and only
the fragment to htmx; going back in history sends both headers and wants the page.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from flask import Flask, Response, current_app, g, make_response, redirect, render_template, request
from flask import url_for as flask_url_for
from htmx_flask import Htmx
from jinja2 import Environment
from markupsafe import Markup

from app.console import filters, nav
from app.console.sparks import spark_path

ToastKind = Literal["done", "undo", "failed"]

YEAR = 31_536_000
THEMES = ("light", "dark")


def wants_fragment() -> bool:
    """Whether htmx asked for a part of the page (and is not restoring history)."""
    headers = request.headers
    return "HX-Request" in headers and "HX-History-Restore-Request" not in headers


def page(template: str, fragment: str | None = None, **context: Any) -> Response:
    """Render the page, or `fragment` (a template whose name starts with _) for htmx.

    Without a fragment htmx gets the whole page too. The answer is never stored by the browser,
    because the same URL has two renderings and its content is personal.
    """
    chosen = fragment if fragment and wants_fragment() else template
    response = make_response(render_template(chosen, **context))
    response.vary.add("HX-Request")
    response.headers["Cache-Control"] = "no-store"
    return response


def fragment(template: str, home: str, **context: Any) -> Response:
    """Render a fragment that has its own URL; opened without htmx it leads to its page `home`."""
    if not wants_fragment():
        return _see_other(home)
    return page(template, **context)


def go(url: str) -> Response:
    """Send the browser to another page after a POST: HX-Redirect for htmx, else 303."""
    if "HX-Request" not in request.headers:
        return _see_other(url)
    response = make_response("", 204)
    response.headers["HX-Redirect"] = url
    return response


def toast(
    response: Response, text: str, kind: ToastKind = "done", undo_url: str | None = None
) -> Response:
    """Add a toast to an htmx answer. `undo_url` gets a POST when Undo is pressed.

    For a 303 use `flask.flash(text, kind)`: the next page shows it.
    """
    detail: dict[str, str] = {"text": text, "kind": kind}
    if undo_url:
        detail |= {"kind": "undo", "undo": undo_url}
    return trigger(response, toast=detail)


def trigger(response: Response, **events: object) -> Response:
    """Add events to HX-Trigger, keeping those already there: `trigger(r, audience_changed={})`.

    Underscores in names become hyphens, because event names are written with hyphens.
    """
    present = json.loads(response.headers.get("HX-Trigger", "{}"))
    present |= {name.replace("_", "-"): detail for name, detail in events.items()}
    response.headers["HX-Trigger"] = json.dumps(present)
    return response


def sandboxed(html: str) -> Response:
    """User-written HTML for `<iframe sandbox>`: no scripts, only images and fonts are fetched."""
    response = make_response(html)
    response.headers["Content-Type"] = "text/html; charset=utf-8"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = (
        "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; "
        "font-src https: data:; frame-ancestors 'self'"
    )
    return response


def asset(name: str) -> str:
    """URL of a file under static/ with its content hash, so that it may be cached for ever."""
    folder = Path(current_app.static_folder or "static")
    version = _version(folder / name)
    return flask_url_for("static", filename=name, v=version)


def stylesheet(*names: str) -> Markup:
    """Links to style sheets of static/css/: `stylesheet("pages/overview")`."""
    link = Markup('<link rel="stylesheet" href="{}">\n')
    return Markup("").join(link.format(asset(f"css/{name}.css")) for name in names)


def script(*names: str) -> Markup:
    """Deferred scripts of static/: `script("vendor/htmx.min", "js/app")`."""
    tag = Markup('<script src="{}" defer></script>\n')
    return Markup("").join(tag.format(asset(f"{name}.js")) for name in names)


def nonce() -> str:
    """This response's style nonce (plotly needs one `<style>` of its own)."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(12)
    return str(g.csp_nonce)


def theme() -> str:
    """`light` or `dark` when the member chose one, else empty: follow the system."""
    chosen = request.cookies.get("theme", "")
    return chosen if chosen in THEMES else ""


class Components:
    """`ui` in templates: every macro of templates/components/ by its name, `ui.badge("sent")`.

    Names are unique across the files and do not start with an underscore.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._files: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._files:
            self._index()
        if name not in self._files:
            raise AttributeError(f"templates/components/ has no macro named {name!r}")
        return getattr(self._environment.get_template(self._files[name]).module, name)

    def _index(self) -> None:
        for file in self._environment.list_templates(filter_func=_is_component):
            for macro in dir(self._environment.get_template(file).module):
                if not macro.startswith("_"):
                    self._files.setdefault(macro, file)


def register(app: Flask) -> None:
    """Make an app able to render the console; `create_app` calls it once, after the blueprints."""
    Htmx(app)
    filters.register(app)
    nav.register(app)
    environment = app.jinja_env
    environment.trim_blocks = True
    environment.lstrip_blocks = True
    environment.globals.update(
        asset=asset,
        stylesheet=stylesheet,
        script=script,
        csp_nonce=nonce,
        theme=theme,
        spark_path=spark_path,
        ui=Components(environment),
    )
    app.after_request(headers)


def headers(response: Response) -> Response:
    """Long life for hashed static files; the security policy on HTML that set none itself."""
    if request.endpoint == "static" and request.args.get("v") and response.status_code == 200:
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Security-Policy", policy())
    return response


def policy() -> str:
    """The content security policy of this answer, with its nonce."""
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce()}'",
            # style="--v:62%" on bars; style elements stay forbidden
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' data: https:",
            "frame-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _see_other(url: str) -> Response:
    response = make_response(redirect(url, 303))
    response.vary.add("HX-Request")
    return response


def _is_component(name: str) -> bool:
    return name.startswith("components/") and name.endswith(".html")


def _version(path: Path) -> str:
    """Short hash of a static file; empty for a missing one, so that the page still renders."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return ""
    return _hash(path, changed)


@lru_cache(maxsize=512)
def _hash(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]
