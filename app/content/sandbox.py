"""The template language: Jinja2 with everything taken away that can escape, or run for ever.

Values are JSON (text, numbers, true/false, lists, groups), so attribute access never touches a
Python object, nothing can be called, and only the filters of `content.filters` exist. What is left
cannot be made expensive: loops nest at most twice and run over data only, every value has a
largest size, and each person's rendering has a budget of work. Jinja's own documentation asks for
such limits: its sandbox has none for time and memory.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from jinja2 import StrictUndefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from app.content import filters
from app.content.problems import MissingVariable, RenderError

MAX_VALUE: Final = 100_000  # characters of one printed or computed value
MAX_NUMBER: Final = 10**15
MAX_OUTPUT: Final = 1_000_000  # characters of one rendered part
MAX_ITEMS: Final = 1_000  # of one loop
WORK_PER_ROW: Final = 3_000_000  # characters looked at; a turn of a loop counts 50
_TURN: Final = 50

LOOP_FIELDS: Final = frozenset(
    {"index", "index0", "revindex", "revindex0", "first", "last", "length"}
)
TESTS: Final = frozenset(
    {
        *("defined", "undefined", "none", "true", "false", "in"),
        *("boolean", "number", "integer", "float", "string", "sequence", "mapping", "iterable"),
        *("odd", "even", "divisibleby", "lower", "upper"),
        *("eq", "equalto", "ne", "lt", "lessthan", "le", "gt", "greaterthan", "ge"),
        *("==", "!=", "<", "<=", ">", ">="),
    }
)

_local = threading.local()


class Missing(StrictUndefined):
    """A variable nobody gave: false in an `if`, replaced by `default`, an error when used."""

    __slots__ = ()

    @classmethod
    def named(cls, path: str) -> "Missing":
        return cls(hint=path, name=path, exc=MissingVariable)

    def __bool__(self) -> bool:  # type: ignore[override]
        return False

    @property
    def path(self) -> str:
        """What the template wrote, `order.number` (without the front part for group members)."""
        return str(self._undefined_name)


@contextmanager
def budget(rows: int = 1) -> Iterator[None]:
    """Bound the work of everything rendered or compiled in this thread inside the block."""
    before = getattr(_local, "left", None)
    _local.left = WORK_PER_ROW * max(rows, 1)
    try:
        yield
    finally:
        _local.left = before


def spend(amount: int) -> None:
    """Take from the budget; raises RenderError when it is used up."""
    left = getattr(_local, "left", None)
    if left is None:
        return
    _local.left = left - amount
    if left < amount:
        raise RenderError("This takes too much work: too many loops or too much text.")


def bounded(value: str) -> str:
    """A text made by the template, charged and refused when it grows too long."""
    size = len(value)
    spend(size)
    if size > MAX_VALUE:
        raise RenderError(f"A value is longer than {MAX_VALUE:,} characters.")
    return value


class _Generator(CodeGenerator):
    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.bounded(")
        super().visit_Concat(node, frame)
        self.write(")")

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        """`{{ … }}` calls one function of ours, where Jinja finalizes, escapes and makes a str."""
        if frame.eval_ctx.volatile:
            super()._output_child_pre(node, frame, finalize)
        elif frame.eval_ctx.autoescape:
            self.write("environment.printed_html((")
        else:
            self.write("environment.printed((")


class ContentEnvironment(ImmutableSandboxedEnvironment):
    """One dialect: `autoescape` for HTML, plain for everything else."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, *, html: bool) -> None:
        super().__init__(
            autoescape=html,
            undefined=Missing,
            finalize=_printable,
            optimized=False,
            trim_blocks=not html,
            lstrip_blocks=not html,
            keep_trailing_newline=True,
            cache_size=0,
        )
        self.globals.clear()
        self.filters = dict(filters.for_templates(bounded, spend))
        self.filters["__each"] = _each
        self.tests = {name: test for name, test in self.tests.items() if name in TESTS}

    bounded = staticmethod(bounded)

    @staticmethod
    def printed(value: Any) -> str:
        """The text of a value."""
        if type(value) is str and len(value) <= MAX_VALUE:
            return value
        return str(_printable(value))

    @staticmethod
    def printed_html(value: Any) -> str:
        """The text of a value, escaped as MarkupSafe does it, which makes an object for each."""
        if type(value) is str and len(value) <= MAX_VALUE:
            if value.isalnum():
                return value
            return (
                value.replace("&", "&amp;")
                .replace(">", "&gt;")
                .replace("<", "&lt;")
                .replace("'", "&#39;")
                .replace('"', "&#34;")
            )
        return str(escape(_printable(value)))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`a.b`: a member of a group, or a field of `loop`. Never an attribute of an object."""
        if type(obj) is dict or isinstance(obj, Mapping):  # the first question is ten times cheaper
            try:
                return obj[attribute]
            except KeyError:
                return Missing.named(attribute)
        if type(obj) is LoopContext and attribute in LOOP_FIELDS:
            return getattr(obj, attribute)
        if isinstance(obj, Missing):
            return Missing.named(f"{obj.path}.{attribute}")
        return Missing.named(attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`a["b"]`, `a[0]`, `a[:3]`: of groups, lists and texts."""
        if isinstance(obj, Mapping | Missing) or isinstance(argument, str):
            return self.getattr(obj, str(argument))
        if isinstance(obj, list | tuple | str) and isinstance(argument, int | slice):
            try:
                return obj[argument]
            except (IndexError, TypeError, ValueError):
                return Missing.named(str(argument))
        return Missing.named(str(argument))

    def call(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise RenderError("Templates cannot call anything.")

    def call_binop(self, _context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers of sane size, and `+` of two texts."""
        for value in (left, right):
            if isinstance(value, Missing):
                str(value)
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return bounded(left + right)
        if not (_is_number(left) and _is_number(right)):
            raise RenderError(f"'{operator}' needs two numbers.")
        if operator == "**" and (abs(right) > 16 or abs(left) > 10_000):
            raise RenderError("A number is too large.")
        try:
            result = self.binop_table[operator](left, right)
        except ZeroDivisionError as error:
            raise RenderError("A number is divided by zero.") from error
        if not _is_number(result) or abs(result) > MAX_NUMBER:
            raise RenderError("A number is too large.")
        return result


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= MAX_NUMBER


def _printable(value: Any) -> Any:
    """What `{{ … }}` prints: texts and numbers as they are, nothing for null."""
    if type(value) is str:
        if len(value) > MAX_VALUE:
            raise RenderError(f"A value is longer than {MAX_VALUE:,} characters.")
        return value
    if value is None:
        return ""
    if isinstance(value, str):
        return bounded(value)
    if isinstance(value, Missing):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        raise RenderError("A list or a group cannot be printed; name what to show of it.")
    return value


def _each(value: Any) -> Any:
    """What a loop runs over: a list, or the keys of a group. Null is an empty list."""
    if value is None:
        return ()
    if isinstance(value, Missing):
        raise MissingVariable(value.path)
    if type(value) is not list and not isinstance(value, list | tuple | Mapping):
        raise RenderError("A loop needs a list.")
    if len(value) > MAX_ITEMS:
        raise RenderError(f"A loop runs over more than {MAX_ITEMS:,} items; take a part of it.")
    spend(_TURN * len(value))
    return value if type(value) is list else list(value)


HTML: Final = ContentEnvironment(html=True)
TEXT: Final = ContentEnvironment(html=False)
