"""The page in a real browser, its real process, a real store and control socket behind it."""

from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.browser

KOREAN = (
    "자산 곡선",
    "전략",
    "포지션",
    "종료된 거래",
    "체결",
    "주문",
    "이벤트",
    "위험 관리",
    "마지막 설정 반영",
    "전체 일시정지",
)
ENGLISH = (
    "Equity curve",
    "Strategies",
    "Positions",
    "Closed trades",
    "Fills",
    "Orders",
    "Events",
    "Risk",
    "Last reload",
)


@pytest.fixture(scope="module")
def filled(worlds, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    worlds.fill_journal(root)
    return root


@pytest.fixture
def world(worlds, filled):
    with worlds.daemon(filled, worlds.World()) as world:
        yield world


@pytest.fixture(scope="module")
def site(worlds, filled):
    page = worlds.PageProcess(filled)
    yield page
    assert page.stop() == ""


@pytest.fixture
def visit(chromium, tmp_path):
    """Open pages; afterwards nothing may have gone to another host, and no console may hold an error."""
    faults, contexts = [], []

    @contextmanager
    def visiting(site, *, language="en", width=1440, height=900, scheme="light", shot=""):
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(15_000)
        context.add_cookies([{"name": "autotrader_language", "value": language, "url": site.url}])
        page = context.new_page()
        page.on(
            "console",
            lambda message: (
                faults.append(f"{message.text} {message.location.get('url')}") if message.type == "error" else None
            ),
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: faults.append(request.url) if not ours(request.url, site) else None)
        page.goto(site.url)
        yield page
        if shot:
            page.screenshot(path=tmp_path / f"{shot}.png", full_page=True)

    yield visiting
    for context in contexts:
        context.close()
    assert faults == []


def ours(url, site):
    return url.startswith((f"{site.url}/", f"ws://127.0.0.1:{site.port}/", "data:", "blob:"))


def see(page, text):
    page.get_by_text(text).first.wait_for()


def test_the_page_shows_the_whole_account_and_its_chart(visit, site, world):
    with visit(site, shot="desktop") as page:
        see(page, "connected")
        for text in (*ENGLISH, "PAPER", "generation 12", "10,342.17", "2024-11-30 23:55:00 KST", "btc-breakout"):
            see(page, text)
        canvas = page.locator(".chart canvas")
        canvas.wait_for()
        assert canvas.bounding_box()["width"] > 600
        assert page.locator("html").get_attribute("lang") == "en"


def test_every_heading_is_in_korean_where_korean_is_chosen(visit, site, world):
    with visit(site, language="ko", scheme="dark", shot="korean-dark") as page:
        for text in KOREAN:
            see(page, text)
        assert page.locator("html").get_attribute("lang") == "ko"
        text = page.locator("body").inner_text()
        assert not any(word in text for word in ENGLISH)


def test_the_language_changes_with_one_click_and_stays(visit, site, world):
    with visit(site) as page:
        page.get_by_role("button", name="한국어").click()
        see(page, "자산 곡선")
        page.reload()
        see(page, "자산 곡선")


def test_the_page_follows_the_systems_theme(visit, site, world):
    colours = set()
    for scheme in ("light", "dark"):
        with visit(site, scheme=scheme) as page:
            see(page, "connected")
            colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours == {"rgb(245, 246, 248)", "rgb(13, 17, 23)"}


@pytest.mark.parametrize("width", [390, 768, 1024, 1440, 1600])
def test_nothing_sticks_out_of_the_screen(visit, site, world, width):
    world.status["reload"].update(ok=False, status="rejected", message="x" * 400)
    with visit(site, width=width, shot=f"width-{width}") as page:
        see(page, "The last reload was rejected")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
        assert page.evaluate(cut) == 0


def test_what_a_strategy_says_is_never_markup(visit, site, world):
    with visit(site) as page:
        see(page, "<script>alert(1)</script> is shown as text")


def test_killing_and_unlocking_each_take_two_steps(visit, site, world):
    with visit(site, shot="killed") as page:
        page.get_by_role("button", name="Kill", exact=True).click()
        see(page, "Close everything?")
        assert world.told == []
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Close everything?").wait_for(state="detached")
        page.get_by_role("button", name="Kill", exact=True).click()
        page.get_by_role("button", name="Yes, close everything").click()
        see(page, "Kill switch is on: 3 positions and entries are being ended.")
        see(page, "Kill switch is on: killed by a person")
        notice = page.locator(".notice .q-notification__message")
        colours = (
            "el => [el, el.closest('.notice')].map(one => getComputedStyle(one)).map(s => [s.color, s.backgroundColor])"
        )
        (ink, _), (_, paper) = notice.first.evaluate(colours)
        assert (ink, paper) == ("rgb(24, 33, 48)", "rgb(255, 255, 255)")
        assert page.get_by_role("button", name="Kill", exact=True).is_disabled()
        page.get_by_role("button", name="Unlock", exact=True).click()
        page.get_by_role("button", name="Yes, unlock").click()
        page.get_by_text("Kill switch is on: killed by a person").wait_for(state="detached")
    assert [command for command, _ in world.told] == ["kill", "unlock"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_strategys_own_lock_and_a_probation_are_shown(visit, site, world, worlds, language):
    world.status["risk"]["own"] = {
        "eth-dip": {"drawdown_locked": True, "daily_loss_day": 0, "cooldown_until": 0, "locked": "locked until unlock"}
    }
    world.status["reload"]["probation"] = {"generation": 12, "back": 11, "until": worlds.NOW_MS + 1_800_000}
    told = {
        "en": ("eth-dip: drawdown, until unlock", "Generation 12 is on probation until ", "Unlock"),
        "ko": ("eth-dip: 낙폭, 해제할 때까지", "11세대로 자동으로 되돌립니다", "잠금 해제"),
    }[language]
    with visit(site, language=language, shot=f"own-lock-{language}") as page:
        for text in told[:2]:
            see(page, text)
        assert page.get_by_role("button", name=told[2], exact=True).is_enabled()


def test_a_rejected_reload_is_shown_with_its_caret_lines(visit, site, world, worlds):
    world.status["reload"].update(ok=False, status="rejected", message=worlds.BROKEN, error=worlds.BROKEN)
    with visit(site, shot="rejected") as page:
        see(page, "The last reload was rejected")
        assert page.locator(".banner pre").inner_text() == worlds.BROKEN


def test_a_daemon_that_falls_silent_is_said_and_its_return_too(visit, site, world):
    with visit(site, shot="silent") as page:
        see(page, "connected")
        world.broken = "the daemon did not answer within 3 s"
        see(page, "The daemon does not answer.")
        see(page, "no answer")
        assert page.get_by_role("button", name="Pause all").is_disabled()
        world.broken = ""
        page.get_by_text("The daemon does not answer.").wait_for(state="detached")


def test_zooming_the_chart_outlasts_new_readings(visit, site, world):
    with visit(site) as page:
        page.locator(".chart canvas").hover()
        page.mouse.wheel(0, -600)
        chart = page.locator(".chart").element_handle()
        start = "el => getElement(el.id.slice(1)).chart.getOption().dataZoom[0].start"
        page.wait_for_function(f"el => ({start})(el) > 0", arg=chart)
        before = chart.evaluate(start)
        world.status["market_time"] += 60_000
        world.status["equity"] = "10500"
        see(page, "10,500.00")
        newest = "el => getElement(el.id.slice(1)).chart.getOption().series[0].data.at(-1)[1]"
        page.wait_for_function(f"el => ({newest})(el) === 10500", arg=chart)
        assert chart.evaluate(start) == before


def test_a_password_is_asked_and_a_logout_is_one(visit, worlds, filled, world):
    site = worlds.PageProcess(filled, language="ko", password="hunter2")
    try:
        with visit(site, shot="login") as page:
            see(page, "Password")
            page.get_by_label("Password").fill("hunter2")
            page.get_by_role("button", name="Log in").click()
            see(page, "connected")
            page.get_by_role("button", name="Log out").click()
            page.get_by_label("Password").wait_for()
            page.goto(site.url)
            page.get_by_label("Password").wait_for()
    finally:
        assert site.stop() == ""
