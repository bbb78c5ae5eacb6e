"""The page that asks for the password: plain HTML that needs nothing else."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from autotrader.core.look import ICON
from autotrader.dashboard.style import LOGIN_STYLE
from autotrader.dashboard.words import Words


def login_page(words: Words, message: str) -> str:
    """Return the login page, with what went wrong where something did."""
    trouble = f'<p class="wrong" role="alert">{escape(message)}</p>' if message else ""
    return (
        f'<!doctype html><html lang="{words.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:image/svg+xml,{quote(ICON)}">'
        f"<title>{words('title')} · {words('login.title')}</title><style>{LOGIN_STYLE}</style></head>"
        f'<body><form method="post" action="/login"><h1>{words("title")}</h1>'
        f'<label for="password">{words("login.password")}</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" autofocus required>'
        f"{trouble}<button>{words('login.button')}</button></form></body></html>"
    )
