"""Every command: what it prints, where, and its exit code. 0 done, 1 failed or refused, 2 wrong usage."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from autotrader import cli
from support.folders import folder, rules, write
from support.harness import Harness

ALWAYS = {"enter_long": "close > 0", "exit_long": "close < 0", "exits": "{stop_loss: 40%}"}
NEVER = {"enter_long": "close < 0", "exit_long": "close < 0", "exits": ""}


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document; anything else on standard output is an error."""
        return json.loads(self.out)


@pytest.fixture
def run(capsys):
    def main(*argv: str) -> Answer:
        capsys.readouterr()
        try:
            code = cli.main(argv)
        except SystemExit as ended:  # argparse
            code = ended.code
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return folder(tmp_path, {"a": rules(symbols="BTC/USDT", **ALWAYS)}, recorded=False)


# usage


@pytest.mark.parametrize(
    "argv",
    [
        [], ["fly"], ["status", "--fast"], ["-c"], ["orders", "-n", "0"], ["orders", "-n", "-5"], ["orders", "-n", "x"],
        ["orders", "-n", "10001"], ["rollback"], ["rollback", "one"], ["rollback", "0"], ["rollback", "9" * 20],
        ["reload", "--plan"], ["pause", "a", "b"], ["stat"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_prints_nothing_on_standard_output(run, argv) -> None:
    answer = run(*argv)
    assert (answer.code, answer.out) == (2, "")
    assert "usage: autotrader" in answer.err


def test_help_and_version_end_with_0(run) -> None:
    assert run("--help").code == 0
    assert run("--version").out.startswith("autotrader ")


@pytest.mark.parametrize("command", sorted(cli.PLANNED))
def test_what_is_not_built_is_refused_by_its_name(run, command) -> None:
    answer = run(command, "some", "-n", "7", "--flag")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(f"'{command}' is not built yet: ")


@pytest.mark.parametrize("argv", [["train", "--json"], ["--json", "train"], ["train", "a", "--json"]])
def test_what_is_not_built_is_refused_in_json_where_json_is_asked_for(run, argv) -> None:
    answer = run(*argv)
    assert answer.code == 1
    assert answer.json["ok"] is False
    assert "not built yet" in answer.json["error"]


# the folder


def test_the_folder_is_named_before_or_after_the_command(run, root: Path) -> None:
    before, after = run("-c", str(root), "check"), run("check", "-c", str(root))
    assert before == after
    assert before.code == 0


def test_the_folder_is_found_from_below_it(run, root: Path, monkeypatch) -> None:
    monkeypatch.chdir(root / "strategies.d")
    assert run("check").code == 0


@pytest.mark.parametrize("command", ["check", "status", "orders", "plan"])
def test_a_folder_that_is_none_is_told(run, tmp_path: Path, command) -> None:
    answer = run(command, "-c", str(tmp_path / "nowhere"))
    assert (answer.code, answer.out) == (1, "")
    assert "is not a folder; -c names the folder that holds autotrader.yaml" in answer.err


def test_without_a_configuration_it_is_said_how_to_name_one(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "name the folder with -c DIR" in run("check").err


# check


def test_a_valid_folder_is_said_to_be_valid(run, root: Path) -> None:
    assert run("check", "-c", str(root)) == (0, "3 files valid\n", "")


def test_every_error_is_printed_with_its_place_and_the_line_under_it(run, root: Path) -> None:
    write(root, {"strategies.d/b.yaml": "kind: rules\nlokback: 3\n", "risk.d/default.yaml": "max_order: 5\n"})
    answer = run("check", "-c", str(root))
    assert (answer.code, answer.out) == (1, "")
    assert "strategies.d/b.yaml:2:1: error: unknown key 'lokback'" in answer.err
    assert "  2 | lokback: 3\n    | ^^^^^^^" in answer.err
    assert "risk.d/default.yaml:1:12: error:" in answer.err
    assert answer.err.splitlines()[-1].endswith(" errors in 5 files")


def test_one_error_is_not_called_errors(run, root: Path) -> None:
    write(root, {"risk.d/default.yaml": "max_order: 5\n"})
    assert run("check", "-c", str(root)).err.splitlines()[-1] == "1 error in 4 files"


def test_check_tells_json_as_the_contract_says(run, root: Path) -> None:
    assert run("check", "-c", str(root), "--json").json == {
        "ok": True,
        "files": ["autotrader.yaml", "strategies.d/a.yaml", "exchanges.d/paper.yaml"],
        "errors": [],
        "warnings": [],
    }
    write(root, {"risk.d/default.yaml": "max_order: 5\n"})
    answer = run("--json", "check", "-c", str(root))
    assert answer.code == 1
    assert answer.json["ok"] is False
    (error,) = answer.json["errors"]
    assert list(error) == ["file", "line", "column", "message", "hint"]
    assert (error["file"], error["line"], error["column"]) == ("risk.d/default.yaml", 1, 12)


def test_the_schemas_are_written_and_named(run, root: Path) -> None:
    answer = run("schema", "-c", str(root), "--json")
    assert answer.code == 0
    assert all(Path(path).parent == root / "schemas" and json.loads(Path(path).read_text()) for path in answer.json)
    assert run("schema", "-c", str(root)).out.splitlines() == answer.json


# no daemon


ASKING = (["status"], ["plan"], ["reload"], ["reload", "--wait"], ["rollback", "1"], ["pause"], ["resume", "a"],
          ["close"], ["kill"], ["unlock"])  # fmt: skip


@pytest.mark.parametrize("argv", ASKING, ids=" ".join)
def test_without_a_daemon_it_is_said_how_to_start_one(run, root: Path, argv) -> None:
    answer = run(*argv, "-c", str(root))
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == f"no daemon runs in {root}; start it with `autotrader run`\n"
    assert run(*argv, "-c", str(root), "--json").json["ok"] is False


READING = ("orders", "fills", "trades", "logs", "decisions", "history", "positions")


@pytest.mark.parametrize("command", READING)
def test_before_the_first_start_there_is_no_store_to_read(run, root: Path, command) -> None:
    answer = run(command, "-c", str(root))
    assert (answer.code, answer.out) == (1, "")
    assert "`autotrader run` makes it" in answer.err


# a daemon


@pytest.fixture
async def living(tmp_path: Path, run):
    root = folder(
        tmp_path,
        {"a": rules(symbols="BTC/USDT", **ALWAYS), "b": rules(symbols="ETH/USDT", **NEVER)},
        speed="1x",
        recorded=False,
        **{"risk.d/default.yaml": "max_order: 2000 USDT\nmax_drawdown: 12%\n"},
    )
    one = Harness(root)
    await one.start()
    await one.bars(3)

    async def ask(*argv: str) -> Answer:
        return await asyncio.to_thread(run, *argv, "-c", str(root))

    one.ask = ask
    yield one
    if not one.daemon.stopping.is_set():
        await one.stop()


async def test_status_tells_people_what_runs_without_raw_milliseconds(living) -> None:
    answer = await living.ask("status")
    lines = answer.out.splitlines()
    assert answer.code == 0
    assert lines[0].startswith("paper, generation 1, up ")
    assert " USDT at 20" in lines[1]
    assert any(line.split()[:4] == ["a", "rules", "in", "position"] for line in lines)
    assert any(line.split()[:3] == ["b", "rules", "watching"] for line in lines)
    assert not any(word.isdigit() and len(word) > 11 for line in lines for word in line.split())
    assert "\x1b[" not in answer.out


async def test_status_tells_json_as_the_contract_says(living) -> None:
    status = (await living.ask("status", "--json")).json
    assert {"mode", "generation", "uptime_s", "market_time", "equity", "strategies", "exchanges", "models", "risk",
            "reload"} <= status.keys()  # fmt: skip
    a, b = status["strategies"]
    assert {"name", "kind", "state", "symbols", "position", "open_orders", "pnl", "last_decision", "error"} <= a.keys()
    assert (a["name"], b["name"]) == ("a", "b")
    assert {"ok", "at", "error"} <= status["reload"].keys()


async def test_what_stops_trading_is_told_on_top(living) -> None:
    await living.ask("pause", "a")
    assert "paused: a (paused by a person)" in (await living.ask("status")).out
    await living.ask("kill")
    assert "killed: killed by a person; `autotrader unlock` lifts it" in (await living.ask("status")).out
    await living.ask("unlock")
    assert "killed" not in (await living.ask("status")).out


@pytest.mark.parametrize("command", READING)
async def test_lists_are_aligned_columns_or_one_json_list(living, command) -> None:
    people, machine = await living.ask(command), await living.ask(command, "--json")
    assert people.code == machine.code == 0
    rows = machine.json
    assert isinstance(rows, list)
    if rows:
        head, *lines = people.out.splitlines()
        assert head.startswith(next(iter(rows[0])).replace("_", " "))
        assert len(lines) == len(rows)
    else:
        assert people.out == "none\n"


async def test_history_tells_changes_as_a_list(living) -> None:
    write(living.root, {"strategies.d/b.yaml": rules(symbols="ETH/USDT", **(NEVER | {"capital": "9%"}))})
    assert (await living.ask("reload", "--wait")).code == 0
    rows = (await living.ask("history", "--json")).json
    assert rows[0]["changes"] == ["strategies.d/b: capital: 8% -> 9%"]
    assert [row["number"] for row in rows] == [2, 1]


async def test_numbers_stand_to_the_right_under_their_names(living) -> None:
    head, line = (await living.ask("positions")).out.splitlines()
    assert head.index("amount") + len("amount") == line.index(line.split()[3]) + len(line.split()[3])


async def test_positions_are_told_by_the_store_when_the_daemon_is_gone(living, run) -> None:
    alive = (await living.ask("positions", "--json")).json
    await living.stop()
    dead = run("positions", "-c", str(living.root), "--json").json
    assert [set(row) for row in dead] == [set(row) for row in alive]
    assert {key: dead[0][key] for key in ("strategy", "symbol", "amount")} == {
        key: alive[0][key] for key in ("strategy", "symbol", "amount")
    }


async def test_reload_with_wait_ends_as_the_reload_did(living) -> None:
    same = await living.ask("reload", "--wait", "--json")
    assert (same.code, same.json["status"]) == (0, "unchanged")
    write(living.root, {"strategies.d/a.yaml": "kind: rules\n"})
    bad = await living.ask("reload", "--wait")
    assert (bad.code, bad.out) == (1, "")
    assert "rejected, generation 1: strategies.d/a.yaml:1:1: error:" in bad.err
    told = await living.ask("reload", "--wait", "--json")
    assert (told.code, told.json["ok"], told.err) == (1, False, "")
    assert "last reload rejected" in (await living.ask("status")).out


async def test_a_plan_names_what_would_happen_and_how_to_agree(living) -> None:
    assert (await living.ask("plan")).out.splitlines()[0] == "nothing changed"
    (living.root / "strategies.d/a.yaml").unlink()
    answer = await living.ask("plan")
    assert "stops:\n  a\n" in answer.out
    assert "closed" in answer.out
    plan = (await living.ask("plan", "--json")).json
    assert answer.out.splitlines()[-1] == f"to confirm it: autotrader reload --plan {plan['hash']}"
    assert (await living.ask("reload", "--plan", "0" * 16)).code == 1
    assert (await living.ask("reload", "--plan", plan["hash"])).code == 0
    assert "a" not in living.daemon.loop.strategies


async def test_a_rollback_to_what_never_was_is_refused(living) -> None:
    answer = await living.ask("rollback", "77")
    assert (answer.code, answer.err) == (1, "there is no generation 77; `autotrader history` lists them\n")


async def test_a_strategy_that_is_not_there_is_refused_with_those_that_are(living) -> None:
    answer = await living.ask("pause", "c")
    assert (answer.code, answer.err) == (1, "there is no strategy 'c'; there are: a, b\n")
    told = await living.ask("pause", "c", "--json")
    assert told.json == {"ok": False, "error": "there is no strategy 'c'; there are: a, b"}


async def test_commands_of_a_person_answer_in_json_too(living) -> None:
    assert (await living.ask("pause", "--json")).json == {"paused": {"": "paused by a person"}}
    assert (await living.ask("resume", "--json")).json == {"paused": {}}
    assert (await living.ask("close", "a", "--json")).json == {"closing": 1}
    assert (await living.ask("kill", "--json")).json["killed"] == "killed by a person"
    assert (await living.ask("unlock", "--json")).json == {"killed": ""}


# colours


class Terminal:
    """A standard output that says it is a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=str,
)
async def test_colours_are_for_terminals_that_want_them(living, monkeypatch, environ, coloured) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    await asyncio.to_thread(cli.main, ["status", "-c", str(living.root)])
    assert ("\x1b[" in terminal.text) is coloured
    terminal.text = ""
    await asyncio.to_thread(cli.main, ["status", "--json", "-c", str(living.root)])
    assert "\x1b[" not in terminal.text


# backtest


@pytest.fixture
def crossing(tmp_path: Path) -> Path:
    strategies = {"a": rules(5, 13, symbols="BTC/USDT"), "b": rules(4, 9, symbols="ETH/USDT")}
    return folder(tmp_path, strategies, recorded=False)


SPAN = ("--from", "2024-01-05", "--to", "2024-01-08")
FIGURES = (
    "name symbols bars trades start_equity final_equity total_return cagr max_drawdown sharpe sortino calmar win_rate "
    "profit_factor exposure fees seconds deflated_sharpe"
)


def test_a_backtest_prints_the_contracts_document(run, crossing) -> None:
    answer = run("-c", str(crossing), "backtest", *SPAN, "--json")
    assert (answer.code, answer.err) == (0, "")
    assert list(answer.json) == ["strategies", "portfolio", "data_hash", "config_hash"]
    assert [list(one) for one in (*answer.json["strategies"], answer.json["portfolio"])] == [FIGURES.split()] * 3
    assert [one["name"] for one in answer.json["strategies"]] == ["a", "b"]
    assert answer.json["strategies"][0]["bars"] == 3 * 288


def test_a_backtest_prints_a_table_for_people(run, crossing) -> None:
    answer = run("-c", str(crossing), "backtest", "b", *SPAN)
    assert answer.code == 0
    assert "final equity" in answer.out
    assert "864 bars in" in answer.out


def test_the_same_backtest_gives_the_same_figures(run, crossing) -> None:
    one, two = (run("-c", str(crossing), "backtest", *SPAN, "--json").json for _ in range(2))
    for document in (one, two):
        for each in (*document["strategies"], document["portfolio"]):
            each.pop("seconds")
    assert one == two


def test_trades_are_written_as_the_contracts_columns(run, crossing, tmp_path) -> None:
    path = tmp_path / "trades.csv"
    answer = run("-c", str(crossing), "backtest", *SPAN, "--trades", str(path), "--json")
    head, *rows = path.read_text().splitlines()
    assert head == "strategy,symbol,side,entry_ts,entry_price,exit_ts,exit_price,amount,fees,pnl,reason"
    assert len(rows) == answer.json["portfolio"]["trades"] > 5


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_report_is_one_page_in_the_language_asked_for(run, crossing, tmp_path, language) -> None:
    path = tmp_path / "page.html"
    assert run("-c", str(crossing), "backtest", *SPAN, "--report", str(path), "--language", language).code == 0
    page = path.read_text(encoding="utf-8")
    assert f'lang="{language}"' in page


def test_strategies_are_compared_each_with_the_whole_account(run, crossing, tmp_path) -> None:
    path = tmp_path / "page.html"
    answer = run("-c", str(crossing), "backtest", "--compare", *SPAN, "--report", str(path), "--json")
    assert list(answer.json) == ["a", "b"]
    assert {one["portfolio"]["start_equity"] for one in answer.json.values()} == {"10000"}
    assert path.stat().st_size > 100_000


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nobody"], 1, "there is no strategy 'nobody'; declared are: a, b"),
        (["--from", "yesterday"], 2, "'yesterday' is not a date; write 2024-06-01"),
        (["--from", "2024-01-05", "--to", "2024-01-04"], 1, "no bars between --from and --to"),
        (["--data", "nowhere"], 1, "no candles of BTC/USDT in nowhere"),
        ([*SPAN, "--trades", "/nowhere/at/all.csv"], 1, "/nowhere/at/all.csv cannot be written: No such file"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_what_cannot_be_backtested_is_refused_in_a_sentence(run, crossing, words, code, says) -> None:
    answer = run("-c", str(crossing), "backtest", *words)
    assert (answer.code, answer.out) == (code, "")
    assert says in answer.err


def test_a_backtest_of_files_that_are_wrong_shows_their_errors(run, crossing) -> None:
    write(crossing, {"strategies.d/a.yaml": rules(5, 13, capital="none")})
    answer = run("-c", str(crossing), "backtest")
    assert answer.code == 1
    assert answer.err.startswith("strategies.d/a.yaml:")
