"""What the application holds, by typed keys."""

from aiohttp import web
from jinja2 import Environment

from ._guard import Guard
from ._reader import Reader

READER = web.AppKey("reader", Reader)
GUARD = web.AppKey("guard", Guard)
ME = web.AppKey("me", str)
PAGES = web.AppKey("pages", Environment)
