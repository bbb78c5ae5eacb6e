// The report's charts and its list of trades. Everything it needs is in the page: `#data` and ECharts.
const data = JSON.parse(document.getElementById("data").textContent);
const words = data.words;
const echarts = globalThis.echarts;
const byId = (id) => document.getElementById(id);
const fill = (key, values) => words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const number = (value, places) => value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }).replace("-", "−");
const money = (value) => number(value, 2);
const signed = (value) => (value > 0 ? "+" : "") + money(value);
const share = (value, places = 2) => `${value > 0 ? "+" : ""}${number(value * 100, places)}%`;
const tone = (value) => (value > 0 ? "up" : value < 0 ? "down" : "");
const priced = (value) => number(value, Math.abs(value) >= 1000 ? 2 : Math.abs(value) >= 1 ? 4 : 8);
const moment = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
const UNITS = [["w", 604800e3], ["d", 86400e3], ["h", 3600e3], ["m", 60e3], ["s", 1e3]];
const span = (ms) => {
  const [unit, size] = UNITS.find(([, size]) => ms >= size && ms % size === 0) ?? ["s", 1e3];
  return `${ms / size}${unit}`;
};
const lasting = (ms) => {
  const parts = [];
  let left = ms;
  for (const [unit, size] of UNITS.slice(1)) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count || parts.length) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0s";
};

// Colours: the canvas cannot read the page's variables, so they are read for it whenever the theme changes.
const PALETTE = ["#3987d6", "#d9843b", "#2fa37c", "#a06cd5", "#d4566f", "#8c9130", "#3fb0c4", "#b07a56", "#6d7fe0", "#c45fae", "#5f9e4a"];
let colour;
const readColours = () => {
  const style = getComputedStyle(document.documentElement);
  colour = Object.fromEntries(["panel", "line", "text", "dim", "up", "down", "accent", "page"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
};
const FONT = getComputedStyle(document.body).fontFamily;
const faded = (hex, alpha) => `${hex}${Math.round(alpha * 255).toString(16).padStart(2, "0")}`;

const charts = [];
const mount = (id, build) => {
  const place = byId(id);
  if (!place) return null;
  const entry = { chart: echarts.init(place, null, { renderer: "canvas" }), build };
  entry.draw = () => entry.chart.setOption({ textStyle: { fontFamily: FONT }, animation: false, useUTC: true, ...entry.build() }, true);
  charts.push(entry);
  new ResizeObserver(() => entry.chart.resize()).observe(place);
  return entry;
};
const tooltip = (formatter, trigger = "axis") => ({
  trigger,
  confine: true,
  backgroundColor: colour.panel,
  borderColor: colour.line,
  padding: [8, 11],
  axisPointer: { type: "line", lineStyle: { color: colour.dim, type: "dashed" } },
  formatter: (shown) => `<div class="tip">${formatter(shown)}</div>`,
});
const row = (name, value, mark = "") => `<div><span>${mark ? `<i style="background:${mark}"></i>` : ""}${escaped(name)}</span><b>${value}</b></div>`;
const axis = (more) => ({
  axisLine: { lineStyle: { color: colour.line } },
  axisTick: { show: false },
  splitLine: { lineStyle: { color: faded(colour.dim, 0.16) } },
  ...more,
  axisLabel: { color: colour.dim, fontSize: 11, hideOverlap: true, ...more.axisLabel },
});
const DATES = { year: "{yyyy}", month: "{yyyy}-{MM}", day: "{MM}-{dd}", hour: "{MM}-{dd} {HH}:{mm}", minute: "{HH}:{mm}", second: "{HH}:{mm}:{ss}" };
// A plain wheel or a finger over a chart scrolls the page.
const inside = (more) => ({ type: "inside", throttle: 40, zoomOnMouseWheel: "ctrl", preventDefaultMouseMove: false, ...more });
const slider = (more) => ({
  type: "slider", height: 18, bottom: 8, showDetail: false, brushSelect: false, borderColor: "transparent",
  backgroundColor: faded(colour.dim, 0.08), fillerColor: faded(colour.accent, 0.14), moveHandleSize: 0,
  dataBackground: { lineStyle: { color: faded(colour.dim, 0.4) }, areaStyle: { color: faded(colour.dim, 0.15) } },
  selectedDataBackground: { lineStyle: { color: colour.accent }, areaStyle: { color: colour.accent, opacity: 0.12 } },
  handleStyle: { color: colour.accent, borderColor: colour.accent }, ...more,
});

// Equity above, drawdown below, on one axis of time.
let scale = "value";
const lineColour = (line, index) => (line.hold ? colour.dim : PALETTE[index % PALETTE.length]);
const equity = mount("equity", () => {
  const alone = data.lines.filter((line) => !line.hold).length === 1;
  const lines = data.lines.map((line, index) => ({
    name: line.name, type: "line", showSymbol: false, symbolSize: 5, lineStyle: { width: line.whole ? 2 : 1.4, type: line.hold ? [4, 3] : "solid" },
    color: lineColour(line, index), z: line.whole ? 5 : 3,
    data: line.ts.map((ts, i) => [ts, scale === "log" && line.y[i] <= 0 ? null : line.y[i]]),
    areaStyle: alone && line.whole && scale === "value" ? { origin: "start", color: { type: "linear", x: 0, y: 0, x2: 0, y2: 1, colorStops: [{ offset: 0, color: faded(PALETTE[0], 0.24) }, { offset: 1, color: faded(PALETTE[0], 0) }] } } : undefined,
  }));
  const single = data.falls.length === 1;
  const falls = data.falls.map((line, index) => ({
    name: single ? words.drawdown : line.name, type: "line", showSymbol: false, xAxisIndex: 1, yAxisIndex: 1, lineStyle: { width: 1.2 },
    color: single ? colour.down : lineColour(line, index), areaStyle: single ? { opacity: 0.18 } : undefined, data: line.ts.map((ts, i) => [ts, line.y[i]]),
  }));
  const drops = new Set(falls.map((_, index) => lines.length + index));
  return {
    legend: { type: "scroll", top: 4, left: 12, right: 12, icon: "roundRect", itemWidth: 12, itemHeight: 4, textStyle: { color: colour.text, fontSize: 12 }, inactiveColor: faded(colour.dim, 0.5), pageTextStyle: { color: colour.dim }, pageIconColor: colour.dim, data: lines.map((line) => line.name) },
    grid: [{ left: 70, right: 22, top: 36, height: "52%", outerBoundsMode: "none" }, { left: 70, right: 22, bottom: 54, height: "19%", outerBoundsMode: "none" }],
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    tooltip: tooltip((points) => {
      const rows = points.filter((one) => one.value[1] != null).map((one) => row(one.seriesName, drops.has(one.seriesIndex) ? share(one.value[1]) : money(one.value[1]), one.color));
      return row(moment(points[0].value[0]), "") + rows.join("");
    }),
    xAxis: [
      axis({ type: "time", gridIndex: 0, axisLabel: { show: false }, splitLine: { show: false } }),
      axis({ type: "time", gridIndex: 1, axisLabel: { formatter: DATES }, splitLine: { show: false } }),
    ],
    yAxis: [
      axis({ type: scale, scale: true, gridIndex: 0, axisLine: { show: false }, axisLabel: { formatter: (value) => (scale === "log" ? Number(value.toPrecision(3)) : value).toLocaleString("en-US", { maximumFractionDigits: 2 }) }, ...logBase() }),
      axis({ type: "value", gridIndex: 1, max: 0, splitNumber: 2, axisLine: { show: false }, axisLabel: { formatter: (value) => `${number(value * 100, value > -0.01 && value ? 1 : 0)}%` } }),
    ],
    dataZoom: [inside({ xAxisIndex: [0, 1] }), slider({ xAxisIndex: [0, 1] })],
    series: [...lines, ...falls],
  };
});
// A log axis has its ticks at powers of its base: one that is small enough for about five of them.
function logBase() {
  if (scale !== "log") return {};
  const known = data.lines.flatMap((line) => line.y.filter((value) => value > 0));
  let low = Infinity, high = -Infinity;
  for (const value of known) { low = Math.min(low, value); high = Math.max(high, value); }
  return known.length ? { logBase: Math.max(1.01, Math.min(10, (high / low) ** 0.2)) } : {};
}
for (const button of document.querySelectorAll("[data-scale]")) {
  button.addEventListener("click", () => {
    scale = button.dataset.scale;
    for (const one of document.querySelectorAll("[data-scale]")) one.setAttribute("aria-pressed", String(one === button));
    equity.draw();
  });
}

// Trades on candles: the whole market, or the bars around one trade.
const trades = data.trades;
const legName = (index) => { const leg = data.legs[index]; return `${leg.strategy} · ${leg.symbol}`; };
let market = data.markets?.[0];
let picked = null;
const place = (ts, moment) => {
  let low = 0, high = ts.length;
  while (low < high) { const middle = (low + high) >> 1; if (ts[middle] <= moment) low = middle + 1; else high = middle; }
  return Math.max(0, low - 1);
};
const arrow = (up) => (up ? "path://M0 10L5 0L10 10Z" : "path://M0 0L5 10L10 0Z");
const marks = (bars, rows) => {
  const entries = [], exits = [];
  const [first, last] = [bars.t[0], bars.t[bars.t.length - 1] + bars.width];
  for (const i of rows) {
    if (trades.exit[i] < first || trades.entry[i] > last) continue;
    const long = trades.side[i] > 0;
    entries.push({ value: [place(bars.t, trades.entry[i]), trades.entry_price[i]], row: i, symbol: arrow(long), symbolOffset: [0, long ? 9 : -9] });
    exits.push({ value: [place(bars.t, trades.exit[i]), trades.exit_price[i]], row: i, itemStyle: { color: trades.pnl[i] >= 0 ? colour.up : colour.down } });
  }
  return [entries, exits];
};
const tradeTip = (i) =>
  `<div><b>${escaped(fillTrade(i))}</b></div>` + row(legName(trades.leg[i]), trades.side[i] > 0 ? words["side.long"] : words["side.short"]) +
  row(words["col.entry"], `${priced(trades.entry_price[i])} · ${moment(trades.entry[i])}`) + row(words["col.exit"], `${priced(trades.exit_price[i])} · ${moment(trades.exit[i])}`) +
  row(words["col.pnl"], signed(trades.pnl[i])) + row(words["col.gain"], share(trades.gain[i])) + row(words["col.reason"], escaped(data.reasons.words[trades.reason[i]]));
const fillTrade = (i) => fill("trade_number", { number: trades.n[i] });
const candles = mount("candles", () => {
  const close = picked !== null ? trades.close_ups[picked] : null;
  const bars = close ?? market;
  const rows = close ? [picked] : trades.n.map((_, i) => i).filter((i) => trades.leg[i] === market.leg);
  const [entries, exits] = marks(bars, rows);
  byId("width").textContent = (picked !== null ? `${fillTrade(picked)} · ` : "") + fill("candle_width", { width: span(bars.width) });
  byId("whole").hidden = picked === null;
  const places = market.places;
  const chosen = picked !== null ? [{ xAxis: place(bars.t, trades.entry[picked]) }, { xAxis: place(bars.t, trades.exit[picked]) }] : null;
  const zoom = picked !== null && !close ? { startValue: Math.max(0, chosen[0].xAxis - 30), endValue: Math.min(bars.t.length - 1, chosen[1].xAxis + 30) } : close ? {} : { start: Math.max(0, 100 - (byId("candles").clientWidth * 24) / bars.t.length), end: 100 };
  return {
    grid: { left: 72, right: 22, top: 12, bottom: 58 },
    tooltip: { ...tooltip((shown) => {
      const one = Array.isArray(shown) ? shown.find((point) => point.seriesType === "candlestick") ?? shown[0] : shown;
      if (one.data?.row !== undefined) return tradeTip(one.data.row);
      const i = one.dataIndex;
      const here = (Array.isArray(shown) ? shown : []).filter((point) => point.seriesType === "scatter");
      return row(moment(bars.t[i]), "") + row(words.opened, number(bars.o[i], places)) + row(words.high, number(bars.h[i], places)) + row(words.low, number(bars.l[i], places)) + row(words.closed, number(bars.c[i], places)) +
        here.slice(0, 3).map((point) => `<hr style="border:0;border-top:1px solid ${colour.line};margin:5px 0">${tradeTip(point.data.row)}`).join("");
    }), axisPointer: { type: "cross", label: { backgroundColor: colour.dim }, lineStyle: { color: colour.dim, type: "dashed" }, crossStyle: { color: colour.dim } } },
    xAxis: axis({ type: "category", data: bars.t.map(moment), boundaryGap: true, splitLine: { show: false }, axisLabel: { formatter: (text) => (bars.width >= 86400e3 ? text.slice(0, 10) : text.slice(5)) } }),
    yAxis: axis({ type: "value", scale: true, axisLine: { show: false }, axisLabel: { formatter: (value) => value.toLocaleString("en-US", { maximumFractionDigits: places }) } }),
    dataZoom: [inside(zoom), slider(zoom)],
    series: [
      {
        type: "candlestick", data: bars.t.map((_, i) => [bars.o[i], bars.c[i], bars.l[i], bars.h[i]]), barMaxWidth: 12, large: false,
        itemStyle: { color: faded(colour.up, 0.55), color0: faded(colour.down, 0.55), borderColor: colour.up, borderColor0: colour.down, borderWidth: 1 },
        markArea: chosen ? { silent: true, itemStyle: { color: faded(colour.accent, 0.1) }, data: [chosen] } : undefined,
      },
      { type: "scatter", data: entries, symbolSize: 10, itemStyle: { color: colour.text, borderColor: colour.panel, borderWidth: 1 }, z: 6 },
      { type: "scatter", data: exits, symbol: "circle", symbolSize: 8, itemStyle: { borderColor: colour.panel, borderWidth: 1.5 }, z: 7 },
    ],
  };
});
if (candles) {
  const choose = byId("market");
  choose.innerHTML = data.markets.map((one, i) => `<option value="${i}">${escaped(legName(one.leg))}</option>`).join("");
  choose.addEventListener("change", () => { market = data.markets[Number(choose.value)]; pick(null); });
  byId("whole").addEventListener("click", () => pick(null));
}
const pick = (i) => {
  picked = i;
  if (i !== null) {
    const at = data.markets.findIndex((one) => one.leg === trades.leg[i]);
    if (at < 0) picked = null;
    else { market = data.markets[at]; byId("market").value = String(at); byId("candles").scrollIntoView({ block: "center", behavior: "smooth" }); }
  }
  candles?.draw();
  list?.();
};

// The list of trades: filters, an order, pages.
const PAGE = 15;
const list = byId("trades") ? makeList() : null;
function makeList() {
  const body = byId("trades");
  const columns = {
    n: (i) => trades.n[i], entry: (i) => trades.entry[i], strategy: (i) => data.legs[trades.leg[i]].strategy, symbol: (i) => data.legs[trades.leg[i]].symbol,
    side: (i) => trades.side[i], entry_price: (i) => trades.entry_price[i], exit_price: (i) => trades.exit_price[i], amount: (i) => trades.amount[i],
    pnl: (i) => trades.pnl[i], gain: (i) => trades.gain[i], held: (i) => trades.exit[i] - trades.entry[i], reason: (i) => data.reasons.words[trades.reason[i]],
  };
  const sides = { 1: words["side.long"], [-1]: words["side.short"] };
  const result = (i) => (trades.pnl[i] > 0 ? words.winners : words.losers);
  const keys = { strategy: columns.strategy, symbol: columns.symbol, side: (i) => sides[trades.side[i]], reason: columns.reason, result };
  const order = { key: "n", way: -1 };
  const filters = {};
  let first = 0;
  const all = trades.n.map((_, i) => i);
  for (const select of document.querySelectorAll("[data-filter]")) {
    const key = select.dataset.filter;
    const values = [...new Set(all.map(keys[key]))].sort();
    select.hidden = values.length < 2;
    select.innerHTML = [`<option value="">${escaped(select.ariaLabel)}: ${escaped(words.all)}</option>`, ...values.map((value) => `<option>${escaped(value)}</option>`)].join("");
    select.addEventListener("change", () => { filters[key] = select.value; first = 0; show(); });
  }
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => {
      const key = button.dataset.sort;
      order.way = order.key === key ? -order.way : -1;
      order.key = key;
      first = 0;
      show();
    });
  }
  byId("previous").addEventListener("click", () => { first -= PAGE; show(); });
  byId("next").addEventListener("click", () => { first += PAGE; show(); });
  body.addEventListener("click", (event) => { const line = event.target.closest("tr[data-row]"); if (line && candles) pick(Number(line.dataset.row)); });
  body.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.dataset.row && candles) pick(Number(event.target.dataset.row)); });
  const line = (i) => {
    const leg = data.legs[trades.leg[i]];
    const side = trades.side[i] > 0 ? "up" : "down";
    return `<tr data-row="${i}" tabindex="0" aria-selected="${i === picked}"><td class="num wide dim">${trades.n[i]}</td><td>${moment(trades.entry[i])}</td><td class="wider">${escaped(leg.strategy)}</td><td>${escaped(leg.symbol)}</td>` +
      `<td class="${side}">${escaped(sides[trades.side[i]])}</td><td class="num wide">${priced(trades.entry_price[i])}</td><td class="num wide">${priced(trades.exit_price[i])}</td><td class="num wider">${trades.amount[i].toLocaleString("en-US", { maximumFractionDigits: 8 })}</td>` +
      `<td class="num ${tone(trades.pnl[i])}">${signed(trades.pnl[i])}</td><td class="num ${tone(trades.gain[i])}">${share(trades.gain[i])}</td><td class="num wider">${lasting(trades.exit[i] - trades.entry[i])}</td><td class="wide">${escaped(data.reasons.words[trades.reason[i]])}</td></tr>`;
  };
  function show() {
    const value = columns[order.key];
    const found = all.filter((i) => Object.entries(filters).every(([key, wanted]) => !wanted || keys[key](i) === wanted));
    found.sort((a, b) => { const [x, y] = [value(a), value(b)]; return (x < y ? -1 : x > y ? 1 : b - a) * order.way; });
    first = Math.max(0, Math.min(first, found.length - 1 - ((found.length - 1) % PAGE)));
    const page = found.slice(first, first + PAGE);
    body.innerHTML = page.map(line).join("") || `<tr><td colspan="12" class="dim">${escaped(words.nothing_matches)}</td></tr>`;
    byId("range").textContent = page.length ? fill("page_of", { first: first + 1, last: first + page.length, count: found.length.toLocaleString("en-US") }) : "";
    byId("previous").disabled = first <= 0;
    byId("next").disabled = first + PAGE >= found.length;
    for (const button of document.querySelectorAll("[data-sort]")) {
      if (button.dataset.sort === order.key) button.dataset.way = String(order.way);
      else delete button.dataset.way;
    }
  }
  return show;
}

mount("distribution", () => {
  const { edges, counts } = data.histogram;
  return {
    grid: { left: 52, right: 20, top: 16, bottom: 34 },
    tooltip: tooltip((points) => row(`${share(edges[points[0].dataIndex], 1)} … ${share(edges[points[0].dataIndex + 1], 1)}`, "") + row(words.trade_count, points[0].value.toLocaleString("en-US"))),
    xAxis: axis({ type: "category", data: counts.map((_, i) => edges[i]), axisLabel: { formatter: (value) => `${number(Number(value) * 100, 1)}%` } }),
    yAxis: axis({ type: "value", minInterval: 1, axisLine: { show: false } }),
    series: [{ type: "bar", barCategoryGap: "12%", data: counts.map((count, i) => ({ value: count, itemStyle: { color: edges[i] >= 0 ? colour.up : colour.down, borderRadius: [2, 2, 0, 0], opacity: 0.85 } })) }],
  };
});

mount("fan", () => {
  const { at, rows, start } = data.fan;
  const band = (low, high, opacity) => [
    { type: "line", stack: `band${low}`, symbol: "none", silent: true, lineStyle: { opacity: 0 }, data: at.map((x, i) => [x, rows[low][i]]) },
    { type: "line", stack: `band${low}`, symbol: "none", silent: true, lineStyle: { opacity: 0 }, areaStyle: { color: PALETTE[0], opacity }, data: at.map((x, i) => [x, rows[high][i] - rows[low][i]]) },
  ];
  return {
    grid: { left: 68, right: 22, top: 16, bottom: 34 },
    tooltip: tooltip((points) => {
      const i = points[0].dataIndex;
      return row(`${at[i].toLocaleString("en-US")} ${words.trade_count}`, "") + row(fill("band", { low: 5, high: 95 }), `${money(rows[0][i])} … ${money(rows[4][i])}`) + row(fill("band", { low: 25, high: 75 }), `${money(rows[1][i])} … ${money(rows[3][i])}`) + row(words.median, money(rows[2][i]));
    }),
    xAxis: axis({ type: "value", max: at[at.length - 1], splitLine: { show: false } }),
    yAxis: axis({ type: "value", scale: true, axisLine: { show: false }, axisLabel: { formatter: (value) => value.toLocaleString("en-US") } }),
    series: [...band(0, 4, 0.14), ...band(1, 3, 0.22),
      { type: "line", symbol: "none", color: PALETTE[0], lineStyle: { width: 2 }, data: at.map((x, i) => [x, rows[2][i]]), markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: colour.dim, type: "dashed" }, data: [{ yAxis: start }] } }],
  };
});

// The search: a line of one searched value, a map of two, parallel axes of more. Trials without a score come last.
const search = data.search;
let sought = 0;
const SHARES = new Set(["total_return", "cagr", "volatility", "max_drawdown", "win_rate", "exposure", "average_trade", "average_win", "average_loss", "best_trade", "worst_trade"]);
const figure = (value) => {
  const name = search.objectives[sought].name;
  if (value == null) return "–";
  if (SHARES.has(name)) return `${number(value * 100, 2)}%`;
  if (name.endsWith("_ms")) return lasting(value);
  return value.toLocaleString("en-US", { maximumFractionDigits: 3 }).replace("-", "−");
};
const brief = (value) => (SHARES.has(search.objectives[sought].name) ? `${Number((value * 100).toPrecision(3))}%` : search.objectives[sought].name.endsWith("_ms") ? lasting(value) : value.toLocaleString("en-US", { maximumSignificantDigits: 3 })).replace("-", "−");
const RAMPS = { light: ["#e4ecf6", "#7fb0e3", "#2c72bd", "#0d3561"], dark: ["#1c2a3d", "#2a5f9e", "#5ea3ea", "#d3e8ff"] };
const ramp = () => RAMPS[document.documentElement.dataset.theme === "dark" ? "dark" : "light"];
const MARK = PALETTE[1];
const shade = (share) => {
  const stops = ramp();
  const place = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(place));
  return echarts.color.lerp(place - low, [stops[low], stops[low + 1]]);
};
const searched = search && mount("search", () => {
  const { high, label } = search.objectives[sought];
  const scores = search.scores[sought];
  const all = scores.length + search.refused.length;
  const best = scores.reduce((at, score, i) => ((high ? score > scores[at] : score < scores[at]) ? i : at), 0);
  const worst = search.worst[sought];
  const top = scores.length ? scores[best] : 0;
  const reach = (score) => (top === worst ? 1 : (score - worst) / (top - worst));
  const textOf = (axisAt, i) => search.axes[axisAt].values[search.at[axisAt][i]];
  const placeOf = (axisAt, i) => search.axes[axisAt].numbers?.[search.at[axisAt][i]] ?? textOf(axisAt, i);
  const tip = (i) => row(label, i < scores.length ? figure(scores[i]) : escaped(search.refused[i - scores.length] ? words["search.refused"] : words["search.undefined"])) + search.axes.map((one, at) => row(one.name, escaped(textOf(at, i)))).join("");
  const hint = tooltip((shown) => tip(shown.data.trial), "item");
  const narrow = byId("search").clientWidth < 620;
  const withUnit = (one) => (one.unit ? { axisLabel: { formatter: (value) => `${value}${one.unit}`.replace("-", "−") } } : {});
  const named = (one, more) => ({ name: one.name, nameLocation: "middle", nameTextStyle: { color: colour.dim, fontSize: 11 }, ...more });
  const place = (one, more) => axis({ ...(one.numbers ? { type: "value", scale: true, ...withUnit(one) } : { type: "category", data: one.values }), ...named(one, more) });
  const rows = [...Array(all).keys()];
  const missed = (value) => ({ type: "scatter", symbol: "path://M0 0L10 10M10 0L0 10", symbolSize: 7, itemStyle: { color: "none", borderColor: faded(colour.dim, 0.7), borderWidth: 1 }, data: rows.slice(scores.length).map((i) => ({ value: value(i), trial: i })) });
  const ring = (value) => ({ type: "scatter", symbol: "circle", symbolSize: 15, z: 8, itemStyle: { color: "transparent", borderColor: MARK, borderWidth: 3 }, data: scores.length ? [{ value: value(best), trial: best }] : [] });

  if (search.axes.length === 1) {
    const [one] = search.axes;
    const points = rows.slice(0, scores.length).sort((a, b) => search.at[0][a] - search.at[0][b]);
    const floor = Math.min(worst, ...scores);
    return {
      grid: { left: 70, right: 26, top: 22, bottom: 48 },
      tooltip: hint,
      xAxis: place(one, { nameGap: 30 }),
      yAxis: axis({ type: "value", scale: true, name: label, nameTextStyle: { color: colour.dim, fontSize: 11, align: "left" }, nameGap: 8, axisLine: { show: false }, axisLabel: { formatter: brief } }),
      series: [
        { type: "line", showSymbol: true, showAllSymbol: true, symbol: "circle", symbolSize: points.length > 120 ? 4 : 7, color: PALETTE[0], lineStyle: { width: 1.6 }, data: points.map((i) => ({ value: [placeOf(0, i), scores[i]], trial: i })) },
        missed((i) => [placeOf(0, i), floor]), ring((i) => [placeOf(0, i), scores[i]]),
      ],
    };
  }

  if (search.axes.length === 2) {
    const [across, up] = search.axes;
    const cells = across.values.length <= 90 && up.values.length <= 60 && all * 4 >= across.values.length * up.values.length;
    const at = (i) => (cells ? [search.at[0][i], search.at[1][i]] : [placeOf(0, i), placeOf(1, i)]);
    const points = rows.slice(0, scores.length).map((i) => ({ value: at(i), trial: i, itemStyle: { color: shade(reach(scores[i])) } }));
    const ends = [worst, top];
    const side = (one, more) => (cells ? axis({ type: "category", data: one.values, splitLine: { show: false }, ...named(one, more) }) : place(one, more));
    return {
      grid: { left: 72, right: narrow ? 22 : 108, top: 18, bottom: narrow ? 96 : 52 },
      tooltip: hint,
      visualMap: {
        type: "continuous", seriesIndex: [], dimension: 0, min: Math.min(...ends), max: Math.max(...ends) || 1, calculable: false, hoverLink: false, itemWidth: 12, itemHeight: narrow ? 160 : 220,
        ...(narrow ? { orient: "horizontal", left: "center", bottom: 8 } : { orient: "vertical", right: 12, top: "middle" }),
        text: high ? [brief(ends[1]), brief(ends[0])] : [brief(ends[0]), brief(ends[1])], textStyle: { color: colour.dim, fontSize: 11 }, inRange: { color: high ? ramp() : [...ramp()].reverse() },
      },
      xAxis: side(across, { nameGap: 30 }),
      yAxis: side(up, { nameGap: 46 }),
      series: [
        cells ? { type: "custom", renderItem: cell, encode: { x: 0, y: 1 }, data: points } : { type: "scatter", symbolSize: 10, itemStyle: { borderColor: colour.panel, borderWidth: 0.5 }, data: points },
        missed(at), ring(at),
      ],
    };
  }

  const lines = [...rows.slice(0, scores.length)].sort((a, b) => reach(scores[a]) - reach(scores[b]));
  const faint = Math.max(0.08, Math.min(0.7, 40 / (lines.length + 1)));
  const style = (i) => (i === best ? { color: MARK, width: 3, opacity: 1 } : { color: shade(reach(scores[i])), width: 1.2, opacity: Math.min(0.9, faint + 0.5 * Math.max(0, reach(scores[i])) ** 8) });
  const axes = [...search.axes.map((one, dim) => ({ dim, name: one.name, ...(one.numbers ? { type: "value", scale: true, axisLabel: { formatter: (value) => `${Number(value.toPrecision(4))}${one.unit}` } } : { type: "category", data: one.values }) })),
    { dim: search.axes.length, name: label, type: "value", inverse: !high, scale: true, axisLabel: { formatter: brief } }];
  return {
    tooltip: hint,
    parallel: narrow ? { layout: "vertical", left: 24, right: 24, top: 30, bottom: 34 } : { left: 60, right: 70, top: 44, bottom: 22 },
    parallelAxis: axes.map((one) => ({
      nameLocation: narrow ? "start" : "end", nameGap: narrow ? -2 : 14, realtime: true, ...one,
      nameTextStyle: { color: colour.text, fontSize: 11, textBorderColor: colour.panel, textBorderWidth: 3, ...(narrow ? { align: "left", verticalAlign: "bottom", padding: [0, 0, 6, 0] } : {}) },
      axisLine: { lineStyle: { color: colour.dim } }, axisTick: { show: false }, axisLabel: { color: colour.text, fontSize: 10, hideOverlap: true, textBorderColor: colour.panel, textBorderWidth: 3, ...one.axisLabel }, z: 10,
    })),
    series: [{ type: "parallel", smooth: false, emphasis: { lineStyle: { width: 3, opacity: 1 } }, inactiveOpacity: 0.04, activeOpacity: 1, data: lines.map((i) => ({ value: [...search.axes.map((_, at) => placeOf(at, i)), scores[i]], trial: i, lineStyle: style(i) })) }],
  };
});
function cell(params, api) {
  const [x, y] = api.coord([api.value(0), api.value(1)]);
  const [width, height] = api.size([1, 1]);
  return { type: "rect", shape: { x: x - width / 2, y: y - height / 2, width: width + 0.5, height: height + 0.5 }, style: { fill: api.visual("color") } };
}
byId("sought")?.addEventListener("change", (event) => { sought = Number(event.target.value); searched.draw(); });

// The theme follows the system until a person chooses.
const system = matchMedia("(prefers-color-scheme: dark)");
const paint = (dark) => {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  readColours();
  for (const entry of charts) entry.draw();
};
let own = null;
system.addEventListener("change", () => { if (own === null) paint(system.matches); });
byId("theme").addEventListener("click", () => { own = document.documentElement.dataset.theme !== "dark"; paint(own); });
addEventListener("beforeprint", () => paint(false));
addEventListener("afterprint", () => paint(own ?? system.matches));
paint(system.matches);
list?.();
