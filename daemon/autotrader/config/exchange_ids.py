"""Which exchanges ccxt knows, by its ids, so that declarations are checked without importing it. Generated."""

from __future__ import annotations

from collections.abc import Mapping

_ALL = """
aftermath alpaca apex aster backpack bequant bigone binance binancecoinm binanceus binanceusdm bingx bit2c
bitbank bitbns bitfinex bitflyer bitget bithumb bitmart bitmex bitopro bitrue bitso bitstamp bitteam bittrade
bitvavo blockchaincom blofin btcbox btcmarkets btcturk bullish bybit bybiteu bydfi cex coinbase
coinbaseexchange coinbaseinternational coincheck coinex coinmate coinone coinsph coinspot cryptocom cryptomus
deepcoin delta deribit derive digifinex dydx exmo extended fmfwio foxbit gate gateeu gemini grvt hashkey
hibachi hitbtc hollaex htx hyperliquid independentreserve indodax kraken krakenfutures kucoin kucoineu
kucoinfutures latoken lbank lighter luno mercado mexc modetrade mudrex myokx ndax okx okxus onetrading p2b
pacifica paradex paymium phemex poloniex tokocrypto toobit upbit weex whitebit woo woofipro xt zaif zebpay
"""

_SPOT = """
alpaca aster backpack bequant bigone binance binanceus bingx bit2c bitbank bitbns bitfinex bitflyer bitget
bithumb bitmart bitmex bitopro bitrue bitso bitstamp bitteam bittrade bitvavo blockchaincom btcbox btcmarkets
btcturk bullish bybit bybiteu cex coinbase coinbaseexchange coinbaseinternational coincheck coinex coinmate
coinone coinsph coinspot cryptocom cryptomus deepcoin delta deribit digifinex exmo extended fmfwio foxbit gate
gateeu gemini hashkey hitbtc hollaex htx hyperliquid independentreserve indodax kraken kucoin kucoineu latoken
lbank lighter luno mercado mexc myokx ndax okx okxus onetrading p2b paymium phemex poloniex tokocrypto toobit
upbit weex whitebit woo xt zaif zebpay
"""

_SWAP = """
aftermath apex aster backpack bigone binance binancecoinm binanceusdm bingx bitfinex bitget bitmart bitmex
bitrue bitstamp blofin bullish bybit bydfi coinbaseinternational coinex cryptocom deepcoin delta deribit
digifinex dydx extended fmfwio gate gemini grvt hashkey hibachi hitbtc htx hyperliquid krakenfutures kucoin
kucoineu kucoinfutures lighter mexc modetrade mudrex okx okxus pacifica paradex phemex poloniex toobit weex
whitebit woo woofipro xt zebpay
"""

_WITH_PHRASE = """
apex bitget blofin coinbaseexchange coinbaseinternational deepcoin kucoin kucoineu kucoinfutures myokx okx okxus
weex
"""

_WITH_UID = "bitmart coinmate cryptomus"

_OTHERWISE = """
aftermath aster derive dydx extended grvt hibachi hyperliquid lighter modetrade ndax pacifica paradex woofipro
"""

EXCHANGE_IDS = frozenset(_ALL.split())
"""Every exchange of ccxt's REST half."""

SPOT_IDS = frozenset(_SPOT.split())
"""Those with a spot market."""

SWAP_IDS = frozenset(_SWAP.split())
"""Those with perpetual swaps."""

CREDENTIALS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_WITH_PHRASE.split(), ("key", "secret", "password")),
    **dict.fromkeys(_WITH_UID.split(), ("key", "secret", "uid")),
    **dict.fromkeys(_OTHERWISE.split(), ()),
}
"""What an exchange knows an account by, where that is not a key and a secret alone; nothing: by what is not built."""
