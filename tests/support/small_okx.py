"""As much of OKX's interface as an account with a swap needs, whose contract of BTC is 0.01 BTC."""

from __future__ import annotations

from support.loopback import Loopback, now_ms


def okx_swap():
    """Return a server that answers as OKX documents it; `placed` is the one order there, `bills` what moved money."""
    placed = {}
    market = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "instFamily": "BTC-USDT",
        "uly": "BTC-USDT",
        "settleCcy": "USDT",
        "ctVal": "0.01",
        "ctMult": "1",
        "ctValCcy": "BTC",
        "ctType": "linear",
        "tickSz": "0.1",
        "lotSz": "0.01",
        "minSz": "0.01",
        "state": "live",
        "listTime": "1548133413000",
        "expTime": "",
        "lever": "100",
    }

    def whole(*rows):
        return {"code": "0", "msg": "", "data": list(rows)}

    def place(asked):
        one = asked[0] if isinstance(asked, list) else asked
        keys = ("instId", "clOrdId", "side", "ordType", "px", "sz", "reduceOnly")
        placed.update({key: one.get(key, "") for key in keys})
        placed.update(ordId="9001", instType="SWAP", tdMode=one["tdMode"], accFillSz="0", avgPx="", state="live")
        placed.update(cTime=str(now_ms()), uTime=str(now_ms()), tgtCcy="", fillTime="")
        return whole({"ordId": "9001", "clOrdId": one["clOrdId"], "tag": "", "sCode": "0", "sMsg": ""})

    def fills(_):
        if placed.get("state") != "filled":
            return whole()
        fill = {key: placed[key] for key in ("instId", "instType", "side", "ordId", "clOrdId")}
        fill |= {"tradeId": "7", "billId": "8", "fillPx": "95", "fillSz": "3", "fee": "-0.02", "feeCcy": "USDT"}
        return whole(fill | {"execType": "T", "ts": str(now_ms())})

    held = {
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "pos": "3",
        "posSide": "net",
        "avgPx": "95",
        "mgnMode": "cross",
    }
    server = Loopback(
        {
            "GET /api/v5/public/time": lambda _: whole({"ts": str(now_ms())}),
            "GET /api/v5/public/instruments": lambda asked: whole(*([market] if asked["instType"] == "SWAP" else [])),
            "GET /api/v5/asset/currencies": whole(),
            "GET /api/v5/account/config": whole({"perm": "read_only,trade"}),
            "GET /api/v5/account/positions": lambda _: whole(held),
            "GET /api/v5/account/bills-archive": lambda _: whole(*server.bills),
            "POST /api/v5/trade/batch-orders": place,
            "POST /api/v5/trade/order": place,
            "GET /api/v5/trade/order": lambda _: whole(placed),
            "GET /api/v5/trade/fills-history": fills,
            "GET /api/v5/trade/fills": fills,
        }
    )
    server.placed, server.bills = placed, []
    return server
