"""The command line: thin. It asks the application, the running daemon or the store, and prints what they say."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from autotrader import cli_doctor, cli_emulator
from autotrader.cli_output import bold, print_json, progress_bar, show, table_of, time_of
from autotrader.core.clock import DAY_MS
from autotrader.core.errors import AutotraderError

PLANNED = {
    "data": "it comes with the collectors",
    "new": "copy an example from strategies.d until then",
    "train": "it comes with the models",
    "models": "it comes with the models",
    "retrain": "it comes with the models",
}

DONE, FAILED, USAGE = 0, 1, 2
MAX_ROWS = 10_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed or refused, 2 wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        code = arguments.action(arguments)
    except AutotraderError as error:
        if arguments.json:
            print_json({"ok": False, "error": str(error)})
        else:
            print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    return DONE if code is None else int(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autotrader", description="A trading daemon that is declared, not programmed.", allow_abbrev=False
    )
    parser.add_argument("-c", dest="root", metavar="DIR", type=Path, help="the configuration folder")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, action: Callable[[argparse.Namespace], int | None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.add_argument("-c", dest="root", metavar="DIR", type=Path, default=argparse.SUPPRESS)
        command.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document and nothing else"
        )
        command.set_defaults(action=action, command=name)
        return command

    add("run", _run, "run the daemon in the foreground")
    add("check", _check, "validate every file and print every error")
    add("schema", _schema, "write schemas/*.json for editors")
    reload = add("reload", _reload, "take over what changed in the files")
    reload.add_argument("--wait", action="store_true", help="wait for the outcome; the exit code tells it")
    reload.add_argument("--plan", metavar="HASH", default="", help="confirm this plan")
    add("plan", _plan, "show what a reload would do").add_argument(
        "--preview",
        type=_span,
        default=30 * DAY_MS,
        metavar="TIME",
        help="how much history to run old against new over, as 30d; none leaves it out",
    )
    add("history", _stored("HISTORY"), "list the accepted generations").add_argument("-n", type=_rows, default=20)
    add("rollback", _rollback, "go back to an accepted generation").add_argument("generation", type=_whole)
    add("status", _status, "show what the daemon does")
    for name, text in (
        ("pause", "stop entries and leave exits, of one strategy or of all"),
        ("resume", "allow entries again"),
        ("close", "close the positions of one strategy or of all"),
        ("unlock", "lift the kill switch and every loss lock, or one strategy's own"),
    ):
        add(name, _tell(name), text).add_argument("name", nargs="?", default="")
    add("kill", _tell("kill"), "close everything, cancel everything and lock until unlock")
    for name, text in (
        ("orders", "list orders, newest first"),
        ("fills", "list fills, newest first"),
        ("trades", "list closed trades, newest first"),
        ("logs", "list what happened, newest first"),
        ("decisions", "list what was decided and why, newest first"),
    ):
        add(name, _stored(name.upper()), text).add_argument("-n", type=_rows, default=100, help="how many")
    add("positions", _positions, "list open positions")
    _add_backtest(add("backtest", _backtest, "run strategies over history, as declared"))
    replay = add("replay", _replay, "run a recorded run again and report every difference")
    replay.add_argument("run", nargs="?", type=Path, metavar="RUN", help="a store or a configuration folder")
    replay.add_argument("--data", type=Path, metavar="DIR", help="another folder of history")
    _add_optimize(add("optimize", _optimize, "search the values of a strategy's file that do best over history"))
    cli_emulator.add_options(add("emulator", cli_emulator.emulate, "run an exchange on loopback, on recorded prices"))
    add("doctor", cli_doctor.doctor, "look whether this machine, folder and its exchanges are fit to trade")
    for name, why in PLANNED.items():
        planned = add(name, _planned, f"not built yet: {why}")
        planned.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


def _add_backtest(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", nargs="*", metavar="NAME", help="the strategies; all of them where none is named")
    add_span(command)
    command.add_argument("--trades", type=Path, metavar="FILE", help="write every closed trade as CSV")
    command.add_argument("--report", type=Path, metavar="FILE", help="write a page with charts")
    command.add_argument("--language", choices=("en", "ko"), help="of the report; left out: as declared")
    command.add_argument("--compare", action="store_true", help="run each strategy alone, side by side")


def _add_optimize(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="the strategy")
    command.add_argument(
        "--set", dest="space", action="append", default=[], metavar="PATH=VALUES",
        help="what to change: params.fast=5:50, exits.stop_loss=1%%:5%%:0.5%%, timeframe=5m,15m",
    )  # fmt: skip
    command.add_argument("--trials", type=_whole, default=100, metavar="N", help="how many; default 100")
    command.add_argument(
        "--objective", default="sharpe", metavar="FIGURES", help="one or several, as sharpe,max_drawdown"
    )
    command.add_argument("--walk-forward", type=_whole, default=0, metavar="N", help="trade N stretches after a search")
    command.add_argument("--seed", type=int, default=0, help="of the choice of trials; default 0")
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=_whole, default=0, metavar="N", help="processes; left out: threads of this one"
    )
    where.add_argument("--ray", default="", metavar="ADDRESS", help="a Ray cluster, as 127.0.0.1:6379")
    add_span(command)
    command.add_argument("--study", type=Path, metavar="FILE", help="where trials are kept; var/optimize/NAME.db")
    command.add_argument("--report", type=Path, metavar="FILE", help="write a page with the best trial's charts")
    command.add_argument("--language", choices=("en", "ko"), help="of the report; left out: as declared")


def add_span(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say which history a command looks at."""
    command.add_argument("--from", dest="since", type=_instant, metavar="DATE", help="where it begins, UTC")
    command.add_argument("--to", dest="until", type=_instant, metavar="DATE", help="where it ends, UTC")
    command.add_argument("--data", type=Path, metavar="DIR", help="another folder of history")


def _instant(text: str) -> int:
    from autotrader.config.types import instant_ms

    try:
        return instant_ms(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _span(text: str) -> int:
    from autotrader.core.units import parse_duration_ms

    if text == "none":
        return 0
    try:
        return parse_duration_ms(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return int(text)


def _rows(text: str) -> int:
    if (count := _whole(text)) > MAX_ROWS:
        raise argparse.ArgumentTypeError(f"at most {MAX_ROWS} rows are shown at once")
    return count


def _version() -> str:
    from importlib.metadata import version

    return f"autotrader {version('autotrader')}"


def _root(arguments: argparse.Namespace) -> Path:
    from autotrader.core.paths import find_root, given_root

    return find_root(Path.cwd()) if arguments.root is None else given_root(arguments.root)


def _planned(arguments: argparse.Namespace) -> None:
    arguments.json = arguments.json or "--json" in arguments.rest
    raise AutotraderError(f"'{arguments.command}' is not built yet: {PLANNED[arguments.command]}")


def _run(arguments: argparse.Namespace) -> None:
    from autotrader.app import run_forever

    run_forever(_root(arguments))


def _check(arguments: argparse.Namespace) -> int:
    from autotrader.app import Loader

    loaded = Loader(_root(arguments))()
    if arguments.json:
        places = [
            [{key: getattr(one, key) for key in ("file", "line", "column", "message", "hint")} for one in many]
            for many in (loaded.problems, loaded.warnings)
        ]
        ok = loaded.declarations is not None
        print_json({"ok": ok, "files": list(loaded.files), "errors": places[0], "warnings": places[1]})
        return DONE if ok else FAILED
    for problem in (*loaded.warnings, *loaded.problems):
        print(problem.render(), file=sys.stderr)
    if loaded.declarations is None:
        print(f"{_count(loaded.problems, 'error')} in {_count(loaded.files, 'file')}", file=sys.stderr)
        return FAILED
    warned = f", with {_count(loaded.warnings, 'warning')}" if loaded.warnings else ""
    print(f"{_count(loaded.files, 'file')} valid{warned}")
    return DONE


def _count(many: Sequence[Any], what: str) -> str:
    return f"{len(many)} {what}{'' if len(many) == 1 else 's'}"


def _backtest(arguments: argparse.Namespace) -> None:
    from autotrader.app import compare_backtests, declared, run_backtest
    from autotrader.backtest import summary
    from autotrader.backtest.notes import notes

    root = _root(arguments)
    span = {"from_ms": arguments.since, "to_ms": arguments.until, "data": arguments.data}
    with progress_bar("backtest") as progress:
        if arguments.compare:
            results = compare_backtests(root, arguments.names, progress=progress, **span)
        else:
            results = {"": run_backtest(root, arguments.names, progress=progress, **span)}
    for name, result in results.items():
        for note in notes(result):
            print(f"note: {name}: {note}" if name else f"note: {note}", file=sys.stderr)
        if arguments.trades:
            path = arguments.trades.with_stem(f"{arguments.trades.stem}-{name}") if name else arguments.trades
            _written(path, partial(summary.write_trades, result))
    if arguments.report:
        from autotrader.backtest import report

        language = arguments.language or declared(root).daemon.language
        if arguments.compare:
            _written(arguments.report, lambda path: report.write_comparison(results, path, language))
        else:
            _written(arguments.report, lambda path: report.write_report(results[""], path, language))
    if arguments.compare:
        from autotrader.backtest import compare

        compared = compare.compare(results)
        documents = {name: summary.document(result) for name, result in results.items()}
        show(arguments, compare.rows(compared), documents)
    else:
        show(arguments, summary.rows(results[""]), summary.document(results[""]), summary.footing(results[""]))


def _optimize(arguments: argparse.Namespace) -> None:
    from autotrader.app import declared, run_optimize
    from autotrader.backtest import optimize

    root = _root(arguments)
    with progress_bar("optimize") as progress:
        how = {key: getattr(arguments, key) for key in ("space", "objective", "trials", "seed", "workers", "ray")}
        span = {"from_ms": arguments.since, "to_ms": arguments.until, "data": arguments.data}
        folds, study = arguments.walk_forward, arguments.study
        one = run_optimize(root, arguments.name, **how, folds=folds, study=study, progress=progress, **span)
    if arguments.report:
        language = arguments.language or declared(root).daemon.language
        _written(arguments.report, lambda path: optimize.write_report(one, path, language))
    if arguments.json:
        print_json(optimize.document(one))
        return
    for rows, footing in optimize.tables(one):
        print(table_of(rows), footing, "", sep="\n")


def _written(path: Path, write: Callable[[Path], None]) -> None:
    try:
        write(path)
    except OSError as error:
        raise AutotraderError(f"{path} cannot be written: {error.strerror or error}") from error


def _schema(arguments: argparse.Namespace) -> None:
    from autotrader.app import write_schemas

    paths = [str(path) for path in write_schemas(_root(arguments) / "schemas")]
    if arguments.json:
        print_json(paths)
    else:
        print("\n".join(paths))


def _ask(arguments: argparse.Namespace, command: str, **values: Any) -> Any:
    from autotrader.runtime.ask import ask

    return ask(_root(arguments), command, values)


def _tell(command: str) -> Callable[[argparse.Namespace], None]:
    def action(arguments: argparse.Namespace) -> None:
        result = _ask(arguments, command, name=getattr(arguments, "name", ""))
        if arguments.json:
            print_json(result)
        else:
            print(", ".join(f"{key}: {value}" for key, value in result.items()) or "done")

    return action


def _reload(arguments: argparse.Namespace) -> int:
    if not arguments.wait and not arguments.plan:
        asked = _ask(arguments, "reload", background=True)
        if arguments.json:
            print_json(asked)
        else:
            print("the daemon was asked to reload; `autotrader status` shows the outcome")
        return DONE
    return _outcome(arguments, _ask(arguments, "reload", plan=arguments.plan))


def _rollback(arguments: argparse.Namespace) -> int:
    return _outcome(arguments, _ask(arguments, "rollback", generation=arguments.generation))


def _outcome(arguments: argparse.Namespace, outcome: dict[str, Any]) -> int:
    if arguments.json:
        print_json(outcome)
    else:
        stream = sys.stdout if outcome["ok"] else sys.stderr
        print(f"{outcome['status']}, generation {outcome['generation']}: {outcome['message']}", file=stream)
        for line in outcome["waiting"]:
            print(f"waiting: {line}", file=stream)
    return DONE if outcome["ok"] else FAILED


def _plan(arguments: argparse.Namespace) -> None:
    plan = _ask(arguments, "plan")
    made = _preview(arguments) if arguments.preview and plan["changes"] else None
    if arguments.json:
        print_json(plan | {"preview": made and made._asdict()})
        return
    if not plan["changes"]:
        print("nothing changed")
    for key, value in plan.items():
        if key in {"hash", "generation"} or not value:
            continue
        print(bold(f"{key.replace('_', ' ')}:"))
        if isinstance(value, list) and isinstance(value[0], dict):
            print(_indented(table_of(value)))
        elif isinstance(value, list):
            print(_indented("\n".join(value)))
        else:
            print(_indented("\n".join(f"{name.replace('_', ' ')}: {one}" for name, one in value.items() if one)))
    if made:
        from autotrader.backtest import preview

        print(bold(preview.heading(made)))
        print(_indented(table_of(preview.rows(made)) if made.strategies else ""))
    if plan["refused"]:
        print("it would be refused: put that back, or restart the daemon")
    elif plan["changes"]:
        print(f"to confirm it: autotrader reload --plan {plan['hash']}")


def _preview(arguments: argparse.Namespace) -> Any:
    """Return the preview of a plan; that there is none is no reason to show no plan."""
    from autotrader.app import make_preview
    from autotrader.backtest.preview import Preview

    try:
        return make_preview(_root(arguments), arguments.preview, _ask(arguments, "status")["market_time"])
    except AutotraderError as error:
        return Preview([], 0, 0, str(error))


def _replay(arguments: argparse.Namespace) -> int:
    from autotrader.app import replay_run
    from autotrader.backtest import replay

    with progress_bar("replay") as progress:
        root = _root(arguments) if arguments.root is not None or arguments.run is None else None
        result = replay_run(arguments.run, root, data=arguments.data, progress=progress)
    if arguments.json:
        print_json(replay.document(result))
    else:
        if result.differences:
            print(table_of(list(result.differences)))
        print("\n".join((replay.told(result), *result.notes)))
    return DONE if result.same else FAILED


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _status(arguments: argparse.Namespace) -> None:
    status = _ask(arguments, "status")
    if arguments.json:
        print_json(status)
        return
    print(bold(f"{status['mode']}, generation {status['generation']}, up {_lasting(status['uptime_s'])}"))
    money = {one["currency"] for one in status["exchanges"]}
    currency = f" {money.pop()}" if len(money) == 1 else ""
    print(f"equity {status['equity']}{currency} at {time_of(status['market_time'])} UTC of the market")
    if status["dashboard"]:
        print(f"dashboard {status['dashboard']}")
    for line in _alarms(status):
        print(line)
    print()
    print(table_of([{key: one[key] for key in EXCHANGE_COLUMNS} for one in status["exchanges"]]))
    print()
    print(table_of([_strategy(one) for one in status["strategies"]]))


EXCHANGE_COLUMNS = ("name", "market", "state", "market_time", "equity", "cash", "currency")


def _strategy(one: dict[str, Any]) -> dict[str, Any]:
    held = ", ".join(f"{amount} {symbol}" for symbol, amount in one["position"].items())
    shown = {"name": one["name"], "kind": one["kind"], "state": one["state"], "position": held}
    return shown | {key: one[key] for key in ("open_orders", "pnl", "last_decision", "error")}


def _alarms(status: dict[str, Any]) -> list[str]:
    """Return what keeps the daemon from trading as declared, a line each."""
    risk, reload, now_ms = status["risk"], status["reload"], status["market_time"]
    found = [f"killed: {risk['killed']}; `autotrader unlock` lifts it"] if risk["killed"] else []
    found += [f"exits only: {risk['exits_only']}"] if risk["exits_only"] else []
    found += [f"paused: {name or 'all strategies'} ({why})" for name, why in sorted(risk["paused"].items())]
    found += ["locked by a drawdown; `autotrader unlock` lifts it"] if risk["drawdown_locked"] else []
    if risk["daily_loss_day"] and now_ms < (next_ms := (risk["daily_loss_day"] + 1) * DAY_MS):
        found.append(f"locked by a daily loss until {time_of(next_ms)} UTC")
    if now_ms < risk["cooldown_until"]:
        found.append(f"resting after losses until {time_of(risk['cooldown_until'])} UTC")
    found += [f"{name} is {one['locked']}" for name, one in sorted(risk["own"].items()) if one["locked"]]
    if not reload["ok"]:
        found.append(f"last reload {reload['status'].replace('_', ' ')}: {reload['message']}")
    return found + [f"waiting: {line}" for line in reload["waiting"]]


def _lasting(seconds: float) -> str:
    """Return a time span as people say it: `45 s`, `2 h 05 min`, `3 d 04 h`."""
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    if minutes < 1:
        return f"{seconds:.0f} s"
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60:02} min" if hours < 24 else f"{hours // 24} d {hours % 24:02} h"


def _stored(query: str) -> Callable[[argparse.Namespace], None]:
    def action(arguments: argparse.Namespace) -> None:
        from autotrader.store import queries

        reader = queries.Reader(_store(arguments))
        rows = reader.rows(getattr(queries, query), arguments.n)
        reader.close()
        show(arguments, rows)

    return action


def _positions(arguments: argparse.Namespace) -> None:
    from autotrader.core.errors import ControlError
    from autotrader.store import queries

    try:
        rows = _ask(arguments, "positions")
    except ControlError:
        reader = queries.Reader(_store(arguments))
        rows = reader.positions()
        reader.close()
    show(arguments, rows)


def _store(arguments: argparse.Namespace) -> Path:
    from autotrader.core.paths import store_of

    return store_of(_root(arguments))
