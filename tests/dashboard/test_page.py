import asyncio
from zoneinfo import ZoneInfo

import pytest
from nicegui import ui
from nicegui.testing import User, user_simulation

from autotrader.dashboard.feed import Feed
from autotrader.dashboard.guard import LANGUAGE_COOKIE
from autotrader.dashboard.page import Settings, build


@pytest.fixture
async def feed(root, world):
    def ask(_root, command, arguments=None, timeout_s=60.0):
        return asyncio.run(world.answer(command, arguments or {}))

    feed = Feed(root, ask=ask)
    yield feed
    feed.close()


@pytest.fixture
async def user(feed):
    async with user_simulation() as user:
        build(feed, Settings("en", ZoneInfo("Asia/Seoul"), login=True))
        await feed.once()
        yield user


def panel(user: User, kind: str) -> str:
    (element,) = [one for one in user.find(ui.html).elements if kind in one.content]
    return element.content


async def press(user: User, text: str, seen: str) -> None:
    user.find(text).click()
    await user.should_see(seen)


async def test_the_page_shows_the_last_reading_at_once(user):
    await user.open("/")
    await user.should_see(content="btc-breakout")
    assert "10,342.17" in panel(user, 'class="brand"')
    (chart,) = user.find(ui.echart).elements
    assert len(chart.options["series"][0]["data"]) == 201


async def test_a_new_reading_reaches_an_open_page(user, feed, world):
    await user.open("/")
    world.status["equity"] = "9876.54"
    await feed.once()
    assert "9,876.54" in panel(user, 'class="brand"')


async def test_the_page_speaks_korean_where_a_person_chose_it(user):
    user.http_client.cookies.set(LANGUAGE_COOKIE, "ko")
    await user.open("/")
    await user.should_see("긴급 정지")
    assert "총자산" in panel(user, 'class="brand"')


async def test_killing_takes_two_steps(user, world):
    await user.open("/")
    await press(user, "Kill", "Close everything?")
    await user.should_see("3 open positions, 3 open orders")
    assert world.told == []
    await press(user, "Yes, close everything", "Kill switch is on: 3 positions")
    assert world.told == [("kill", {"who": "dashboard"})]


async def test_a_kill_that_is_thought_better_of_is_none(user, world):
    await user.open("/")
    await press(user, "Kill", "Close everything?")
    user.find("Cancel").click()
    (dialog,) = user.find(ui.dialog).elements
    assert not dialog.value
    assert world.told == []


async def test_pause_gives_way_to_resume(user, world):
    await user.open("/")
    await user.should_not_see("Resume all")
    await press(user, "Pause all", "Entries of all strategies are paused")
    await user.should_see("Resume all")
    await user.should_not_see("Pause all")
    await press(user, "Resume all", "Entries of all strategies are allowed again")
    assert [command for command, _ in world.told] == ["pause", "resume"]


async def test_unlock_is_offered_only_where_something_is_locked(user, feed, world):
    await user.open("/")
    await user.should_not_see("Unlock")
    world.status["risk"]["killed"] = "killed by a person"
    await feed.once()
    await press(user, "Unlock", "Unlock trading?")
    await press(user, "Yes, unlock", "The kill switch and the loss locks are lifted.")
    assert world.told == [("unlock", {"who": "dashboard"})]


async def test_a_plan_is_shown_before_exactly_it_is_applied(user, feed, world):
    world.status["reload"]["waiting"] = ["eth-range: its file is gone"]
    await feed.once()
    await user.open("/")
    await press(user, "Show plan", "What a reload would do")
    await press(user, f"Apply plan {world.plan['hash']}", "Reload: applied")
    assert world.told == [
        ("plan", {"who": "dashboard"}),
        ("reload", {"plan": world.plan["hash"], "who": "dashboard"}),
    ]


async def test_a_refused_command_shows_the_daemons_own_words(user, world):
    await user.open("/")
    world.broken = "the journal cannot be written: disk full"
    await press(user, "Pause all", "Not done: the journal cannot be written: disk full")


async def test_without_an_answer_the_buttons_rest(user, feed, world):
    await user.open("/")
    world.broken = "no daemon runs here"
    await feed.once()
    (kill,) = user.find(kind=ui.button, content="Kill").elements
    assert not kill.enabled
    assert "no daemon runs here" in panel(user, 'role="alert"')


async def test_a_page_that_is_closed_is_forgotten(user, feed):
    await user.open("/")
    assert len(feed._listeners) == 1
    user.client.delete()
    assert feed._listeners == {}
