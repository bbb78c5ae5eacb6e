"""The page `/`: NiceGUI elements that show the panels' HTML, the chart, and the buttons that carry commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from nicegui import Client, ui

from autotrader.core.language import Language
from autotrader.core.look import ICON
from autotrader.dashboard import charts, render
from autotrader.dashboard.feed import RECENT, Answer, Feed
from autotrader.dashboard.guard import LANGUAGE_COOKIE
from autotrader.dashboard.style import STYLE
from autotrader.dashboard.view import Snapshot, View, view_of
from autotrader.dashboard.words import Words, chosen


@dataclass(frozen=True, slots=True)
class Settings:
    """What the daemon tells its page at the start."""

    language: Language
    zone: ZoneInfo
    login: bool


class Studio:
    """Makes each snapshot's panels once for all viewers of a language."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._made: dict[Language, tuple[Snapshot, View, render.Panels]] = {}

    def of(self, snapshot: Snapshot, words: Words) -> tuple[View, render.Panels]:
        """Return a snapshot's view and its panels."""
        made = self._made.get(words.language)
        if made is None or made[0] is not snapshot:
            view = view_of(snapshot)
            made = (snapshot, view, render.panels(view, words, self.zone))
            self._made[words.language] = made
        return made[1], made[2]


class Page:
    """One viewer's page."""

    def __init__(self, feed: Feed, studio: Studio, words: Words, client: Client, *, login: bool) -> None:
        self._feed = feed
        self._studio = studio
        self._words = words
        self._client = client
        self._view = view_of(feed.snapshot)
        self._panels: dict[str, ui.html] = {}
        self._curve: object = None
        with ui.element("div").classes("bar"), ui.element("div"):
            self._html("figures", "figures")
            self._buttons(login)
        with ui.element("main").classes("board"):
            self._html("banners", "banners")
            self._board()

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot; only what changed goes over the wire."""
        view, panels = self._studio.of(snapshot, self._words)
        self._view = view
        for field in fields(panels):
            element, html = self._panels[field.name], getattr(panels, field.name)
            if element.content != html:
                element.set_content(html)
        if snapshot.curve is not self._curve:  # read anew every few seconds, and then with the newest point
            self._curve = snapshot.curve
            self._chart.options["series"][0]["data"] = charts.equity_points(view.curve, self._studio.zone)
            self._chart.update()
            self._chart.set_visibility(bool(view.curve))
            self._no_curve.set_visibility(not view.curve)
        paused, connected = view.risk.all_paused, bool(view.head.connected)
        self._pause.set_visibility(not paused)
        self._resume.set_visibility(paused)
        self._unlock.set_visibility(view.risk.locked)
        self._plan.set_visibility(view.reload.confirmable)
        for button in (self._pause, self._resume, self._unlock, self._plan):
            button.set_enabled(connected)
        self._kill.set_enabled(connected and not view.risk.killed)

    # layout

    def _html(self, name: str, classes: str) -> None:
        self._panels[name] = ui.html(sanitize=False).classes(classes)  # render.py escapes what comes from outside

    def _panel(self, name: str, size: str, inner: str, note: str = "") -> None:
        with ui.element("section").classes(f"panel {size}"):
            self._title(name, note)
            self._html(name, inner)

    def _title(self, name: str, note: str = "") -> ui.element:
        with ui.element("header") as header:
            ui.html(self._words(name), sanitize=False, tag="h2")
            if note:
                ui.html(note, sanitize=False, tag="span").classes("dim")
        return header

    def _board(self) -> None:
        newest = self._words("newest", count=RECENT)
        with ui.element("section").classes("panel wide-8"):
            self._title("equity_curve")
            self._chart = ui.echart(charts.equity_curve([], self._words("equity"))).classes("chart")
            self._no_curve = ui.html(self._words("no_equity"), sanitize=False, tag="p").classes("none")
        with ui.element("div").classes("side"):
            self._panel("risk", "", "inner")
            with ui.element("section").classes("panel"):
                with self._title("reload"):
                    self._plan = self._button("show_plan", self._show_plan)
                self._html("reload", "inner scroll")
        self._panel("strategies", "wide-12", "scroll")
        self._panel("positions", "wide-12", "scroll")
        self._panel("trades", "wide-6", "scroll", newest)
        self._panel("fills", "wide-6", "scroll", newest)
        self._panel("orders", "wide-6", "scroll", newest)
        self._panel("events", "wide-6", "scroll", newest)

    def _buttons(self, login: bool) -> None:
        words = self._words
        with ui.element("div").classes("actions"):
            self._pause = self._button("pause_all", lambda: self._tell("pause"))
            self._resume = self._button("resume_all", lambda: self._tell("resume"), "primary")
            self._unlock = self._button("unlock", lambda: self._confirm("unlock"))
            self._kill = self._button("kill", lambda: self._confirm("kill"), "danger")
            other: Language = "en" if words.language == "ko" else "ko"
            switch = f"document.cookie = '{LANGUAGE_COOKIE}={other}; path=/; max-age=31536000; samesite=strict'"
            self._button("other_language", lambda: ui.run_javascript(f"{switch}; location.reload()"), "quiet")
            if login:
                ui.html(
                    f'<form method="post" action="/logout"><button class="btn quiet">{words("logout")}</button></form>',
                    sanitize=False,
                )

    def _button(self, key: str, action: Callable[[], Any], kind: str = "") -> ui.button:
        button = ui.button(self._words(key), on_click=action, color=None)
        return button.props("flat no-caps unelevated :ripple=false").classes(f"btn {kind}")

    # commands

    async def _tell(self, command: str, **arguments: Any) -> None:
        answer = await self._feed.tell(command, **arguments)
        self._answered(f"done.{command}", answer)
        await self._feed.once()

    def _answered(self, key: str, answer: Answer) -> None:
        if answer.ok:
            result = {**answer.result}
            if "status" in result:
                result["status"] = self._words.of("reload", result["status"])
            text, kind = self._words(key, **result), "good" if result.get("ok", True) else "warn"
        else:
            text, kind = self._words("failed", error=answer.error), "bad"
        if not self._client.has_socket_connection:
            return
        with self._client:
            ui.notify(text, classes=f"notice {kind}", position="top", multi_line=True, timeout=6_000)

    def _confirm(self, command: str) -> None:
        """Ask a second time, saying what will happen."""
        words, view = self._words, self._view
        with ui.dialog() as dialog, ui.element("div").classes("sheet").props("role=alertdialog"):
            ui.html(words(f"{command}.title"), sanitize=False, tag="h2")
            ui.html(words(f"{command}.text"), sanitize=False, tag="p")
            if command == "kill":
                count = words("kill.count", positions=len(view.positions), orders=view.open_orders)
                ui.html(count, sanitize=False, tag="p").classes("dim")

            async def confirmed() -> None:
                dialog.close()
                await self._tell(command)

            with ui.element("div").classes("choices"):
                self._button("cancel", dialog.close)
                self._button(f"{command}.confirm", confirmed, "final" if command == "kill" else "primary")
        dialog.on("hide", dialog.delete)
        dialog.open()

    async def _show_plan(self) -> None:
        """Show what a reload would do, and apply exactly that when a person agrees."""
        words, answer = self._words, await self._feed.tell("plan")
        if not answer.ok:
            self._answered("", answer)
            return
        plan = answer.result
        with ui.dialog() as dialog, ui.element("div").classes("sheet"):
            ui.html(words("plan.title"), sanitize=False, tag="h2")
            ui.html(render.plan(plan, words), sanitize=False).classes("body")

            async def apply() -> None:
                dialog.close()
                await self._tell("reload", plan=plan["hash"])

            with ui.element("div").classes("choices"):
                self._button("close_dialog", dialog.close)
                if plan["changes"] and not plan["refused"]:
                    button = ui.button(words("apply_plan", hash=plan["hash"]), on_click=apply, color=None)
                    button.props("flat no-caps unelevated :ripple=false").classes("btn primary")
        dialog.on("hide", dialog.delete)
        dialog.open()


def build(feed: Feed, settings: Settings) -> None:
    """Register the page with NiceGUI."""
    studio = Studio(settings.zone)

    @ui.page("/", title="autotrader", favicon=ICON, dark=None)
    def index(request: Request, client: Client) -> None:
        words = Words(chosen(request.cookies.get(LANGUAGE_COOKIE, ""), settings.language))
        ui.add_head_html(f"<style>{STYLE}</style><script>document.documentElement.lang = '{words.language}'</script>")
        page = Page(feed, studio, words, client, login=settings.login)
        if not feed.watch(client.id, page.show):
            ui.html(words("too_many"), sanitize=False).classes("banner bad")
            return
        client.on_delete(lambda: feed.leave(client.id))
        page.show(feed.snapshot)
