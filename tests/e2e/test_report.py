"""Reports in a real browser, opened as files: no fault in the console, nothing fetched, everything works."""

from contextlib import contextmanager

import pytest

from autotrader.backtest.report import write_comparison, write_report
from autotrader.core.figures import MINUS
from support import results
from support.searches import searched

SEARCHES = {"line": ["let.n=2:9"], "map": ["let.n=2:9", "let.m=10:17"], "axes": ["let.n=2:5", "let.m=6:9", "x=5m,1h"]}

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    two = results.result(names=("trend", HOSTILE), bars=4_000)
    for language in ("en", "ko"):
        write_report(two, folder / f"{language}.html", language)
    write_report(results.result(names=("alone",), symbols=("BTC/USDT",), bars=60, every=1_000), folder / "quiet.html")
    for name, paths in SEARCHES.items():
        alone = results.result(names=("alone",), symbols=("BTC/USDT",), bars=60)
        scores = [None, "refused", *(number % 7 - 2.5 for number in range(62))]
        found = searched(paths, scores, "sharpe,max_drawdown")
        write_report(alone, folder / f"{name}.html", search=found)
    write_comparison({"fast": two, "slow": results.result(bars=4_000, seed=3)}, folder / "compared.html")
    return folder


@pytest.fixture
def visit(chromium, pages):
    """Open reports; afterwards nothing may have been asked of any host, and no console may hold a word."""
    faults, contexts = [], []

    @contextmanager
    def visiting(name, *, width=1440, scheme="light"):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda one: faults.append(one.url) if not one.url.startswith(("file:", "data:")) else None)
        page.goto((pages / f"{name}.html").as_uri())
        page.wait_for_function("document.documentElement.dataset.theme")
        yield page

    yield visiting
    for context in contexts:
        context.close()
    assert faults == []


@pytest.mark.parametrize("name", ["en", "ko", "quiet", "compared", *SEARCHES])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_a_report_fits_its_screen_and_draws_every_chart(visit, name, width):
    with visit(name, width=width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        charts = page.locator(".chart")
        assert charts.count() == page.locator(".chart canvas").count() > 0


def test_a_report_follows_the_systems_theme_until_a_person_chooses(visit):
    with visit("en", scheme="dark") as page:
        colour = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(colour) == "rgb(13, 17, 23)"
        page.click("#theme")
        assert page.evaluate(colour) == "rgb(245, 246, 248)"
        page.emulate_media(color_scheme="light")
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(colour) == "rgb(245, 246, 248)"


def test_a_trade_chosen_in_the_list_is_shown_on_its_own_bars(visit):
    with visit("en") as page:
        assert "one candle is" in page.locator("#width").inner_text()
        row = page.locator("#trades tr").first
        row.click()
        assert page.locator("#width").inner_text().startswith("Trade ")
        assert page.locator("#trades tr[aria-selected=true]").count() == 1
        page.get_by_role("button", name="Whole chart").click()
        assert not page.locator("#width").inner_text().startswith("Trade ")


def test_the_list_is_filtered_sorted_and_paged(visit):
    with visit("en") as page:
        page.get_by_role("button", name="Next").click()
        assert page.locator("#range").inner_text().startswith("16 to 30 of")
        page.select_option("[data-filter=result]", "Losers")
        page.get_by_role("button", name="P&L").click()
        page.get_by_role("button", name="P&L").click()
        shown = page.locator("#trades tr td:nth-child(9)").all_inner_texts()
        losses = [float(text.replace(MINUS, "-").replace(",", "")) for text in shown]
        assert losses == sorted(losses)
        assert losses[-1] < 0


def test_the_equity_axis_can_be_logarithmic(visit):
    with visit("en") as page:
        page.get_by_role("button", name="Log").click()
        assert page.get_by_role("button", name="Log").get_attribute("aria-pressed") == "true"


def test_a_cell_of_a_searched_map_tells_its_values(visit):
    with visit("map") as page:
        box = page.locator("#search").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        told = page.locator("#search .tip").inner_text()
        assert [name for name in ("Sharpe ratio", "let.n", "let.m") if name not in told] == []


@pytest.mark.parametrize("name", SEARCHES)
def test_the_objective_of_a_searched_picture_is_chosen(visit, name):
    with visit(name) as page:
        page.select_option("#sought", "Max drawdown")
        assert page.locator("#sought").evaluate("(one) => one.selectedOptions[0].text") == "Max drawdown"


def test_a_name_from_a_file_is_text(visit):
    with visit("ko") as page:
        assert page.locator("img").count() == 0
        page.get_by_text(HOSTILE).first.wait_for()
