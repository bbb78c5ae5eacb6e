"""A folder is loaded whole or refused whole, whatever its files are; what did not change is not read again."""

from __future__ import annotations

import os
import random
import socket
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotrader.config import files, validate
from autotrader.config import folder as folder_module
from autotrader.config import load as load_module
from autotrader.config.files import read_regular
from autotrader.config.load import LoadCache
from autotrader.config.model import Declared
from autotrader.config.strategy import SingleExchange
from autotrader.core.units import Money

CONTRACT_DEFAULT = """\
max_order: 1000 USDT
max_position: 25%                # of equity, for one symbol
max_exposure: 100%
max_open_positions: 8
max_orders_per_minute: 60
price_collar: 2%                 # refuse an order this far from the last price
max_daily_loss: 3%
max_drawdown: 12%
stale_data: 30s                  # no new orders on data older than this
cooldown: {losses: 3, within: 6h, pause: 2h}
on_breach: pause                 # pause | close
"""
CONTRACT_PERP = """\
kind: simulated
market: swap
replay: {data: ../data, exchange: binance-perp, speed: 60x}
balances: {USDT: 10000}
fees: {maker: 0.02%, taker: 0.05%}
leverage: 1
latency: 50ms
slippage: 2bps
"""


def messages(loaded):
    return [f"{problem.file}: {problem.message}" for problem in loaded.problems]


def test_a_folder_is_loaded_whole(folder, loading, rules_text):
    files_ = {
        "strategies.d/btc.yaml": rules_text,
        "risk.d/default.yaml": CONTRACT_DEFAULT,
        "exchanges.d/perp.yml": CONTRACT_PERP,
    }
    loaded = loading(folder(files_))
    assert not loaded.problems
    declared = loaded.declarations
    assert set(declared.strategies) == {"btc"}
    assert set(declared.exchanges) == {"paper", "perp"}
    risk = declared.risks["default"]
    assert risk.max_order == Money(Decimal(1000), "USDT")
    assert (risk.max_position, risk.stale_data, risk.cooldown.within) == (Decimal("0.25"), 30_000, 21_600_000)
    assert declared.exchanges["perp"].fees.maker == Decimal("0.0002")
    assert declared.texts["strategies.d/btc.yaml"] == rules_text
    assert loaded.files == (
        "strategies.d/btc.yaml",
        "exchanges.d/paper.yaml",
        "exchanges.d/perp.yml",
        "risk.d/default.yaml",
    )


def test_an_empty_folder_is_valid_and_holds_the_defaults(tmp_path, loading):
    declared = loading(tmp_path).declarations
    assert declared.daemon.mode == "paper"
    assert declared.daemon.dashboard.port == 8080
    assert not declared.strategies


@pytest.mark.parametrize("text", ["", "# nothing\n", "~\n", "{}\n"])
def test_an_empty_main_file_is_valid(folder, loading, text):
    assert loading(folder({"autotrader.yaml": text})).declarations


def test_a_folder_that_does_not_exist_is_one_problem(tmp_path, loading):
    loaded = loading(tmp_path / "none")
    assert [problem.message for problem in loaded.problems] == ["this configuration folder does not exist"]


@pytest.mark.parametrize(
    "name", [".btc.yaml", ".btc.yaml.swp", "btc.yaml~", "btc.yaml.bak", "#btc.yaml#", "4913", "a.txt"]
)
def test_what_editors_leave_behind_is_ignored(folder, loading, name):
    loaded = loading(folder({f"strategies.d/{name}": "not: [a strategy"}))
    assert loaded.declarations
    assert loaded.files == ("exchanges.d/paper.yaml",)


def test_one_bad_file_refuses_the_whole(folder, loading, rules_text):
    loaded = loading(folder({"strategies.d/a.yaml": rules_text, "strategies.d/b.yaml": "kind: [\n"}))
    assert loaded.declarations is None
    assert {problem.file for problem in loaded.problems} == {"strategies.d/b.yaml"}


def test_problems_are_sorted_by_file_and_line(folder, loading):
    text = "kind: rules\ncolour: red\ncapital: 5\n"
    loaded = loading(folder({"strategies.d/b.yaml": text, "strategies.d/a.yaml": text}))
    places = [(problem.file, problem.line) for problem in loaded.problems]
    assert places == sorted(places)


# what a disk can hold


def test_a_directory_named_like_a_file_is_refused(folder, loading):
    root = folder()
    (root / "strategies.d" / "btc.yaml").mkdir(parents=True)
    assert messages(loading(root)) == ["strategies.d/btc.yaml: this is a directory, not a file"]


def test_a_fifo_is_refused_without_waiting_for_a_writer(folder, loading):
    root = folder()
    (root / "risk.d").mkdir()
    os.mkfifo(root / "risk.d" / "default.yaml")
    assert messages(loading(root)) == ["risk.d/default.yaml: this is a FIFO, not a file"]


def test_a_fifo_that_replaces_a_file_after_the_look_is_still_not_waited_for(tmp_path, monkeypatch):
    regular = tmp_path / "regular"
    regular.write_text("x")
    os.mkfifo(tmp_path / "fifo")
    seen = regular.stat()
    monkeypatch.setattr(files.Path, "stat", lambda _: seen)
    assert read_regular(tmp_path / "fifo", 10).message == "this is a FIFO, not a file"


def test_a_socket_is_refused(folder, loading, monkeypatch):
    root = folder()
    (root / "risk.d").mkdir()
    monkeypatch.chdir(root / "risk.d")  # a short name: the path of a socket is bounded
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("a.yaml")
        assert messages(loading(root)) == ["risk.d/a.yaml: this is a socket, not a file"]


def test_a_device_is_refused_by_what_it_is(folder, loading):
    root = folder()
    (root / "risk.d").mkdir()
    (root / "risk.d" / "a.yaml").symlink_to("/dev/zero")
    assert messages(loading(root)) == ["risk.d/a.yaml: this is a device, not a file"]


def test_a_dangling_symlink_is_refused(folder, loading):
    root = folder()
    (root / "exchanges.d" / "b.yaml").symlink_to("nowhere.yaml")
    assert messages(loading(root)) == ["exchanges.d/b.yaml: this symlink points to nothing (nowhere.yaml)"]


def test_a_symlink_to_itself_is_refused(folder, loading):
    root = folder()
    (root / "exchanges.d" / "b.yaml").symlink_to("b.yaml")
    assert messages(loading(root)) == ["exchanges.d/b.yaml: this symlink leads back to itself"]


def test_a_file_that_may_not_be_read_is_refused(folder, loading, monkeypatch):
    root = folder()

    def denied(path, flags):
        raise PermissionError(13, "denied")

    monkeypatch.setattr(files.os, "open", denied)
    assert messages(loading(root)) == ["exchanges.d/paper.yaml: the file may not be read"]


def test_a_file_that_vanishes_between_list_and_read_is_refused(folder, loading, monkeypatch):
    root = folder()
    listed = folder_module.listing(root)
    monkeypatch.setattr(load_module, "listing", lambda _: listed)
    (root / "exchanges.d" / "paper.yaml").unlink()
    assert messages(loading(root)) == ["exchanges.d/paper.yaml: the file vanished while it was read"]


def test_a_file_that_never_rests_is_refused(folder, loading, monkeypatch):
    root = folder()
    drain = files._drain

    def written_meanwhile(handle, limit):
        data = drain(handle, limit)
        with (root / "exchanges.d" / "paper.yaml").open("a") as file:
            file.write("#")
        return data

    monkeypatch.setattr(files, "_drain", written_meanwhile)
    assert messages(loading(root)) == ["exchanges.d/paper.yaml: the file changes while it is read"]


def test_a_failing_disk_is_a_problem_and_no_crash(folder, loading, monkeypatch):
    root = folder()

    def broken(handle, limit):
        raise OSError(5, "io")

    monkeypatch.setattr(files, "_drain", broken)
    assert messages(loading(root)) == ["exchanges.d/paper.yaml: the file cannot be read: input/output error"]


def test_a_section_that_links_to_nothing_is_refused(folder, loading):
    root = folder()
    (root / "strategies.d").symlink_to("unmounted")
    assert messages(loading(root)) == ["strategies.d: this symlink points to nothing"]


def test_a_name_of_undecodable_bytes_is_refused(folder, loading):
    root = folder()
    (root / os.fsdecode(b"exchanges.d/caf\xe9.yaml")).write_text("kind: simulated\n")
    (problem,) = loading(root).problems
    assert "cannot be a name" in problem.message
    problem.render().encode()


def test_more_files_than_the_bound_are_refused(folder, loading, monkeypatch):
    monkeypatch.setattr(folder_module, "MAX_FILES", 2)
    root = folder({f"exchanges.d/e{i}.yaml": "kind: simulated\n" for i in range(5)})
    assert messages(loading(root)) == ["exchanges.d: more than 2 files are declared"]


def test_a_terminal_cannot_be_driven_by_a_file(folder, loading, corpus_render):
    root = folder({"strategies.d/a.yaml": 'kind: rules\n"\\e[2J": 1\n? \u202eevil\n: 1\n'})
    told = corpus_render(loading(root))
    assert told
    assert "\x1b" not in told
    assert "\u202e" not in told


# values


@pytest.mark.parametrize("text", ["size: {kind: fixed, amount: 0.1}", "size: {kind: fixed, amount: 1e-1}"])
def test_decimals_are_exact(folder, loading, rules_text, text):
    declared = loading(folder({"strategies.d/a.yaml": f"{rules_text}{text}\n"})).declarations
    assert declared.strategies["a"].size.amount == Decimal("0.1")


def test_a_market_of_no_declared_source_is_generated(folder, loading):
    exchange = loading(folder()).declarations.exchanges["paper"]
    assert exchange.source.symbols == ("BTC/USDT", "ETH/USDT")


def test_an_adoption_of_what_is_gone_is_accepted(folder, loading, rules_text):
    assert loading(folder({"strategies.d/a.yaml": rules_text + "adopts: old\n"})).declarations


def test_what_the_history_lacks_is_a_warning_told_once_a_series(folder, loading, rules_text):
    asked = []

    def lacks(data, exchange, symbol, timeframe):
        asked.append((data, exchange, symbol, timeframe))
        return f"there is no history of {symbol}; import some"

    root = folder(
        {
            "exchanges.d/paper.yaml": "kind: simulated\nreplay: {exchange: binance}\n",
            "strategies.d/a.yaml": rules_text,
            "strategies.d/b.yaml": rules_text,
        }
    )
    loaded = loading(root, warn_history=lacks)
    assert loaded.declarations
    assert asked == [("var/data", "binance", "BTC/USDT", "5m")]
    assert [(problem.file, problem.line, problem.hint) for problem in loaded.warnings] == [
        ("strategies.d/a.yaml", 3, "import some"),
        ("strategies.d/b.yaml", 3, "import some"),
    ]


@pytest.mark.parametrize(
    ("daemon", "replay", "expected"),
    [
        ("", "{exchange: binance}", "var/data"),
        ("data: ../mine\n", "{exchange: binance}", "../mine"),
        ("data: ../mine\n", "{data: ../theirs, exchange: binance}", "../theirs"),
    ],
)
def test_history_is_looked_for_where_the_replay_or_else_the_daemon_says(
    folder, loading, rules_text, daemon, replay, expected
):
    asked = []
    root = folder(
        {
            "autotrader.yaml": daemon,
            "exchanges.d/paper.yaml": f"kind: simulated\nreplay: {replay}\n",
            "strategies.d/a.yaml": rules_text,
        }
    )
    assert loading(root, warn_history=lambda data, *_: asked.append(data) or "").declarations
    assert asked == [expected]


# the cache


def counted(monkeypatch):
    checked = []
    check = validate.check
    monkeypatch.setattr(load_module, "check", lambda found, *rest: checked.append(found.path) or check(found, *rest))
    return checked


def aged(root):
    for path in root.rglob("*.y*ml"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


def test_only_a_changed_file_is_validated_again(folder, loading, rules_text, monkeypatch):
    root = folder({f"strategies.d/s{i}.yaml": rules_text for i in range(20)})
    cache = LoadCache()
    before = loading(root, cache).declarations
    checked = counted(monkeypatch)
    (root / "strategies.d" / "s7.yaml").write_text(rules_text.replace("20%", "21%"))
    after = loading(root, cache).declarations
    assert checked == ["strategies.d/s7.yaml"]
    assert all(after.strategies[name] is before.strategies[name] for name in before.strategies if name != "s7")
    assert after.strategies["s7"].capital == Decimal("0.21")
    assert after.hash != before.hash


def test_a_change_within_one_tick_of_the_disk_clock_is_seen(folder, loading, rules_text):
    root = folder({"strategies.d/a.yaml": rules_text})
    cache = LoadCache()
    loading(root, cache)
    path = root / "strategies.d" / "a.yaml"
    stamp = path.stat().st_mtime_ns
    path.write_text(rules_text.replace("20%", "30%"))  # same size, same inode
    os.utime(path, ns=(stamp, stamp))
    assert loading(root, cache).declarations.strategies["a"].capital == Decimal("0.3")


def test_a_settled_file_is_not_even_opened(folder, loading, rules_text, monkeypatch):
    root = folder({"strategies.d/a.yaml": rules_text})
    monkeypatch.setattr(load_module, "RACY_NS", -(10**12))  # as if the files had rested
    cache = LoadCache()
    first = loading(root, cache).declarations
    monkeypatch.setattr(load_module, "read_regular", lambda *_: pytest.fail("the file was opened"))
    assert loading(root, cache).declarations.strategies["a"] is first.strategies["a"]


def test_a_file_with_a_secret_is_looked_at_each_time(folder, loading):
    root = folder({"autotrader.yaml": "dashboard: {password: '${env:P}'}\n"})
    cache = LoadCache()
    assert loading(root, cache, {"P": "long-enough"}).declarations
    assert not loading(root, cache, {}).declarations
    assert loading(root, cache, {"P": "another-one"}).declarations.daemon.dashboard.password.reveal() == "another-one"


def test_the_cache_forgets_files_that_are_gone(folder, loading, rules_text):
    root = folder({"strategies.d/a.yaml": rules_text})
    cache = LoadCache()
    loading(root, cache)
    (root / "strategies.d" / "a.yaml").unlink()
    loading(root, cache)
    assert cache.known("strategies.d/a.yaml") is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_no_damage_to_a_valid_file_crashes_the_loader(folder, loading, rules_text, corpus_render, seed):
    chance = random.Random(seed)
    data = bytearray(rules_text.encode())
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data) or 1)
        damage = chance.choice(
            (b"", b"\x00", b"\xff", b":", b"  ", b"\n", b"[", b"}", b"'", b"&a ", b"*a", b"!!", b"9" * 50)
        )
        data[place : place + chance.randint(0, 8)] = damage
    loaded = loading(folder({"strategies.d/a.yaml": bytes(data)}))
    assert (loaded.declarations is None) == bool(loaded.problems)
    assert corpus_render(loaded) or loaded.declarations


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["paper", "20%", "1h", "rules", "${env:X}", "a/b"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["kind", "exchange", "symbols", "size", "exits", "capital", "fixed", "amount", "0"]),
                inner,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["strategies.d/a.yaml", "exchanges.d/b.yaml", "risk.d/c.yaml", "autotrader.yaml"]),
)
def test_no_tree_of_values_crashes_the_loader(folder, loading, corpus_render, tree, name):
    import json

    root = folder({name: json.dumps(tree)})
    loaded = loading(root)
    assert (loaded.declarations is None) == bool(loaded.problems)
    assert corpus_render(loaded) or loaded.declarations
    (root / name).unlink()


class MomentumSettings(Declared):
    fast: int = 12
    lookback: int = 24


class Momentum(SingleExchange):
    kind: Literal["momentum"] = "momentum"
    params: MomentumSettings = MomentumSettings()


def test_an_error_reads_as_the_contract_shows_it(folder):
    text = """\
kind: momentum
exchange: paper
params:
    lokback: 20
symbols: [BTC/USDT]
timeframe: 1h
capital: 15%
on_remove: close
"""
    (problem,) = load_module.load(folder({"strategies.d/btc.yaml": text}), {"momentum": Momentum}, environ={}).problems
    assert problem.render() == (
        "strategies.d/btc.yaml:4:5: error: unknown key 'lokback' in a momentum strategy; did you mean 'lookback'?\n"
        "  4 |     lokback: 20\n"
        "    |     ^^^^^^^"
    )


def test_a_folder_of_too_many_names_is_refused(folder, loading, monkeypatch):
    monkeypatch.setattr(folder_module, "MAX_ENTRIES", 3)
    root = folder({f"exchanges.d/e{i}.txt": "" for i in range(5)})
    assert messages(loading(root)) == ["exchanges.d: the folder holds 3 names or more"]


@pytest.mark.parametrize(
    "text", ["x" * 200_000, "-" * 200_000, "pas" * 60_000, "a: " + "pas-" * 60_000, "{" * 30 + "k" * 200_000]
)
def test_one_endless_word_is_refused_like_any_other_text(folder, loading, text):
    loaded = loading(folder({"strategies.d/a.yaml": text}))
    assert [problem.file for problem in loaded.problems][:1] == ["strategies.d/a.yaml"]


def test_a_secret_in_a_list_item_is_not_shown(folder, loading):
    loaded = loading(folder({"strategies.d/a.yaml": "kind: rules\nlist:\n  - password: hunter22\n    x: 1\n"}))
    assert "hunter22" not in "".join(problem.render() for problem in loaded.problems)
