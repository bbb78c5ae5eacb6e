"""The command line: thin. It asks the application, the running daemon or the store, and prints what they say."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autotrader.core.errors import AutotraderError

PLANNED = {
    "backtest": "it comes with the backtest engine",
    "optimize": "it comes with the backtest engine",
    "replay": "it comes with the backtest engine",
    "data": "it comes with the collectors",
    "emulator": "it comes with live trading",
    "doctor": "it comes with live trading",
    "new": "copy an example from strategies.d until then",
    "train": "it comes with the models",
    "models": "it comes with the models",
    "retrain": "it comes with the models",
}

DONE, FAILED, USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed or refused, 2 wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        code = arguments.action(arguments)
    except AutotraderError as error:
        if getattr(arguments, "json", False):
            _print_json({"ok": False, "error": str(error)})
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
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, action: Callable[[argparse.Namespace], int | None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.add_argument("-c", dest="root", metavar="DIR", type=Path, default=argparse.SUPPRESS)
        command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
        command.set_defaults(action=action, command=name)
        return command

    add("run", _run, "run the daemon in the foreground")
    add("check", _check, "validate every file and print every error")
    add("schema", _schema, "write schemas/*.json for editors")
    reload = add("reload", _reload, "take over what changed in the files")
    reload.add_argument("--wait", action="store_true", help="wait for the outcome; the exit code tells it")
    reload.add_argument("--plan", metavar="HASH", default="", help="confirm this plan")
    add("plan", _plan, "show what a reload would do")
    add("history", _stored("HISTORY"), "list the accepted generations").add_argument("-n", type=int, default=20)
    add("rollback", _rollback, "go back to an accepted generation").add_argument("generation", type=int)
    add("status", _status, "show what the daemon does")
    for name, text in (
        ("pause", "stop entries and leave exits, of one strategy or of all"),
        ("resume", "allow entries again"),
        ("close", "close the positions of one strategy or of all"),
    ):
        add(name, _tell(name), text).add_argument("name", nargs="?", default="")
    add("kill", _tell("kill"), "close everything, cancel everything and lock until unlock")
    add("unlock", _tell("unlock"), "lift the kill switch and the loss locks")
    for name, text in (
        ("orders", "list orders, newest first"),
        ("fills", "list fills, newest first"),
        ("trades", "list closed trades, newest first"),
        ("logs", "list what happened, newest first"),
        ("decisions", "list what was decided and why, newest first"),
    ):
        add(name, _stored(name.upper()), text).add_argument("-n", type=int, default=100, help="how many")
    add("positions", _positions, "list open positions")
    for name, why in PLANNED.items():
        planned = add(name, _planned, f"not built yet: {why}")
        planned.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


def _version() -> str:
    from importlib.metadata import version

    return f"autotrader {version('autotrader')}"


def _root(arguments: argparse.Namespace) -> Path:
    from autotrader.core.paths import find_root

    if arguments.root is None:
        return find_root(Path.cwd())
    root: Path = arguments.root.resolve()
    if not root.is_dir():
        raise AutotraderError(f"{arguments.root} is not a folder; -c names the folder that holds autotrader.yaml")
    return root


def _planned(arguments: argparse.Namespace) -> int:
    print(f"'{arguments.command}' is not built yet: {PLANNED[arguments.command]}", file=sys.stderr)
    return FAILED


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
        _print_json({"ok": ok, "files": list(loaded.files), "errors": places[0], "warnings": places[1]})
        return DONE if ok else FAILED
    for problem in (*loaded.warnings, *loaded.problems):
        print(problem.render(), file=sys.stderr)
    if loaded.declarations is None:
        print(f"{len(loaded.problems)} errors in {len(loaded.files)} files", file=sys.stderr)
        return FAILED
    print(f"{len(loaded.files)} files are valid")
    return DONE


def _schema(arguments: argparse.Namespace) -> None:
    from autotrader.app import write_schemas

    for path in write_schemas(_root(arguments) / "schemas"):
        print(path)


def _ask(arguments: argparse.Namespace, command: str, **values: Any) -> Any:
    from autotrader.runtime.ask import ask

    return ask(_root(arguments), command, values)


def _tell(command: str) -> Callable[[argparse.Namespace], None]:
    def action(arguments: argparse.Namespace) -> None:
        result = _ask(arguments, command, name=getattr(arguments, "name", ""))
        if arguments.json:
            _print_json(result)
        else:
            print(", ".join(f"{key}: {value}" for key, value in result.items()) or "done")

    return action


def _reload(arguments: argparse.Namespace) -> int:
    if not arguments.wait and not arguments.plan:
        _ask(arguments, "reload", background=True)
        print("the daemon was asked to reload; `autotrader status` shows the outcome")
        return DONE
    return _outcome(arguments, _ask(arguments, "reload", plan=arguments.plan))


def _rollback(arguments: argparse.Namespace) -> int:
    return _outcome(arguments, _ask(arguments, "rollback", generation=arguments.generation))


def _outcome(arguments: argparse.Namespace, outcome: dict[str, Any]) -> int:
    if arguments.json:
        _print_json(outcome)
    else:
        stream = sys.stdout if outcome["ok"] else sys.stderr
        print(f"{outcome['status']}, generation {outcome['generation']}: {outcome['message']}", file=stream)
        for line in outcome["waiting"]:
            print(f"waiting: {line}", file=stream)
    return DONE if outcome["ok"] else FAILED


def _plan(arguments: argparse.Namespace) -> None:
    plan = _ask(arguments, "plan")
    if arguments.json:
        _print_json(plan)
        return
    for key, value in plan.items():
        if value:
            print(f"{key.replace('_', ' ')}:")
            for line in value if isinstance(value, list) else [value]:
                print(f"  {', '.join(f'{k} {v}' for k, v in line.items()) if isinstance(line, dict) else line}")
    if plan["changes"]:
        print(f"to confirm it: autotrader reload --plan {plan['hash']}")


def _status(arguments: argparse.Namespace) -> None:
    status = _ask(arguments, "status")
    if arguments.json:
        _print_json(status)
        return
    print(
        f"{status['mode']}, generation {status['generation']}, up {status['uptime_s']:.0f} s, "
        f"market time {_time(status['market_time'])}, equity {status['equity']}"
    )
    if status["dashboard"]:
        print(f"dashboard {status['dashboard']}")
    for name in ("killed", "exits_only"):
        if status["risk"][name]:
            print(f"{name.replace('_', ' ')}: {status['risk'][name]}")
    reload = status["reload"]
    if not reload["ok"]:
        print(f"last reload {reload['status']}: {reload['message']}")
    for line in reload["waiting"]:
        print(f"waiting: {line}")
    rows = [
        {
            **{key: one[key] for key in ("name", "kind", "state")},
            "position": ", ".join(f"{amount} {symbol}" for symbol, amount in one["position"].items()),
            **{key: one[key] for key in ("open_orders", "pnl", "last_decision", "error")},
        }
        for one in status["strategies"]
    ]
    _table(rows)


def _stored(query: str) -> Callable[[argparse.Namespace], None]:
    def action(arguments: argparse.Namespace) -> None:
        from autotrader.store import queries

        reader = queries.Reader(_store(arguments))
        rows = reader.rows(getattr(queries, query), arguments.n)
        reader.close()
        _show(arguments, rows)

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
    _show(arguments, rows)


def _store(arguments: argparse.Namespace) -> Path:
    from autotrader.core.paths import store_of

    return store_of(_root(arguments))


def _show(arguments: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    if arguments.json:
        _print_json(rows)
    else:
        _table([{key: _time(value) if _is_time(key) else value for key, value in row.items()} for row in rows])


def _is_time(key: str) -> bool:
    return key in {"ts", "at", "opened"} or key.endswith("_ts")


def _time(ts_ms: int | None) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S") if ts_ms else "-"


def _table(rows: list[dict[str, Any]]) -> None:
    """Print rows as columns, as wide as their widest value."""
    if not rows:
        print("none")
        return
    names = list(rows[0])
    cells = [[("" if row[name] is None else str(row[name])).splitlines() or [""] for name in names] for row in rows]
    flat = [names] + [[cell[0][:80] for cell in row] for row in cells]
    widths = [max(len(row[at]) for row in flat) for at in range(len(names))]
    for row in flat:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_json(value: Any) -> None:
    import orjson

    sys.stdout.write(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")
