"""A search on a Ray cluster of two nodes on this machine finds what one process finds."""

import logging

import pytest

from autotrader.app import optimize_question
from autotrader.backtest.objective import objectives
from autotrader.backtest.search import Wanted, search
from autotrader.backtest.space import space
from autotrader.backtest.trial import Bench, code
from autotrader.backtest.trials import remembered
from autotrader.backtest.workers import opened
from autotrader.core.clock import DAY_MS
from autotrader.core.errors import AutotraderError
from autotrader.market.generate import BEGIN_MS
from support.folders import folder, rules

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own processes and sockets outlive a test


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes on loopback, without a dashboard, telling nobody."""
    for name, value in {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_ADDRESS": "",
    }.items():
        monkeypatch.setenv(name, value)
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 1024**2, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node | {"node_ip_address": "127.0.0.1"})
    made.add_node(num_cpus=1, object_store_memory=80 * 1024**2, node_ip_address="127.0.0.1")
    try:
        yield made.address
    finally:
        ray.shutdown()
        made.shutdown()
        logging.getLogger("ray").handlers.clear()


def found(question, wanted, **where):
    bench = Bench(question)
    with remembered(None, code()) as trials, opened(bench, **where) as evaluate:
        one = search(bench, wanted, evaluate, trials)
    return [(trial.values, trial.tried.form, dict(trial.tried.figures), trial.scores) for trial in one.trials]


def test_two_nodes_find_what_one_process_finds(tmp_path, cluster):
    root = folder(tmp_path, {"cross": rules(symbols="BTC/USDT")}, recorded=False)
    question = optimize_question(root, "cross", to_ms=BEGIN_MS + 10 * DAY_MS)
    wanted = Wanted(space(["enter_long.1=4:30", "exits.stop_loss=0.5%:5%"]), objectives(), 40, 3, question.span)
    assert found(question, wanted, ray=cluster) == found(question, wanted)


def test_a_cluster_that_is_not_there_is_an_error(tmp_path):
    root = folder(tmp_path, {"cross": rules(symbols="BTC/USDT")}, recorded=False)
    question = optimize_question(root, "cross", to_ms=BEGIN_MS + 10 * DAY_MS)
    with pytest.raises(AutotraderError, match="no Ray cluster at nowhere"), opened(Bench(question), ray="nowhere"):
        pass
