"""The page's looks: one sheet, light or dark as the system is, from a phone's 390 px to a wide desk."""

from __future__ import annotations

from autotrader.core.look import TOKENS

LOGIN_STYLE = (
    TOKENS
    + """
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--page); color: var(--text);
  font: 15px/1.5 var(--sans); }
form { width: min(320px, calc(100vw - 64px)); padding: 28px; background: var(--panel); border: 1px solid var(--line);
  border-radius: 12px; display: grid; gap: 8px; }
h1 { margin: 0 0 12px; font-size: 18px; letter-spacing: -0.01em; }
label { color: var(--dim); font-size: 13px; }
input, button { font: inherit; padding: 9px 12px; border-radius: 8px; border: 1px solid var(--line); }
input { background: var(--page); color: var(--text); }
button { margin-top: 8px; background: var(--accent); color: var(--panel); border-color: transparent; font-weight: 600;
  cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.wrong { margin: 0; color: var(--bad); font-size: 13px; }
"""
)

STYLE = (
    TOKENS
    + """
body { background: var(--page) !important; color: var(--text) !important; font: 13px/1.45 var(--sans);
  font-variant-numeric: tabular-nums; -webkit-font-smoothing: antialiased; }
.nicegui-content { padding: 0 !important; gap: 0 !important; display: block !important; }
.nicegui-content h2, .nicegui-content h3, .q-dialog h2, .q-dialog h3 { font-weight: 600; line-height: 1.4; margin: 0; }
.dim, small { color: var(--dim); font-weight: 400; }
.up { color: var(--up); } .down { color: var(--down); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }

.bar { position: sticky; top: 0; z-index: 20; background: color-mix(in srgb, var(--panel) 94%, transparent);
  backdrop-filter: blur(8px); border-bottom: 1px solid var(--line); }
.bar > div { max-width: 1720px; margin: 0 auto; padding: 10px 20px; display: flex; align-items: center; gap: 16px 28px;
  flex-wrap: wrap; }
.figures { display: flex; align-items: center; gap: 10px 32px; flex: 1 1 auto; flex-wrap: wrap; }
.brand { display: flex; align-items: center; gap: 8px; }
.brand .name { font-size: 16px; font-weight: 700; letter-spacing: -0.02em; }
.mode { font-size: 10.5px; font-weight: 700; letter-spacing: 0.06em; padding: 1px 7px; border-radius: 4px;
  color: var(--live); background: var(--live-bg); }
.figure { display: flex; flex-direction: column; line-height: 1.25; }
.label { font-size: 11px; color: var(--dim); }
.figure .value { font-size: 14px; font-weight: 600; white-space: nowrap; }
.figure .value.big { font-size: 19px; letter-spacing: -0.01em; }
.figure small { font-size: 11.5px; }
.connection { display: flex; align-items: center; gap: 8px; font-size: 12px; white-space: nowrap; }
.actions { display: flex; align-items: center; gap: 6px; flex-wrap: wrap; }
.actions form { margin: 0; }

.btn.q-btn, a.btn, button.btn { font: 600 12.5px/1.2 var(--sans); min-height: 32px; padding: 0 12px; border-radius: 7px;
  border: 1px solid var(--line); background: var(--panel); color: var(--text); text-transform: none; letter-spacing: 0;
  cursor: pointer; text-decoration: none; display: inline-flex; align-items: center; }
.btn.q-btn::before { box-shadow: none !important; border: 0; }
.btn.q-btn:hover, a.btn:hover, button.btn:hover { background: var(--hover); border-color: var(--dim); }
.btn.quiet { border-color: transparent !important; background: transparent !important; color: var(--dim) !important; }
.btn.danger { color: var(--bad) !important; border-color: color-mix(in srgb, var(--bad) 45%, transparent) !important; }
.btn.danger:hover { background: var(--bad-bg) !important; }
.btn.final { background: var(--bad) !important; color: var(--panel) !important; border-color: transparent !important; }
.btn.primary { background: var(--accent) !important; color: var(--panel) !important;
  border-color: transparent !important; }

.board { max-width: 1720px; margin: 0 auto; padding: 14px 20px 40px; display: grid; gap: 14px;
  grid-template-columns: repeat(12, minmax(0, 1fr)); }
.banners { grid-column: 1 / -1; display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; }
.banners:empty, .banners:not(:has(.banner)) { display: none; }
.banner { padding: 9px 14px; border-radius: 8px; display: flex; gap: 4px 14px; flex-wrap: wrap; align-items: baseline; }
.banner.bad { background: var(--bad-bg); color: var(--bad); }
.banner.warn { background: var(--warn-bg); color: var(--warn); }
.banner pre { flex-basis: 100%; min-width: 0; margin: 4px 0 2px; font: 12px/1.5 var(--mono);
  white-space: pre; overflow: auto;
  max-height: 300px; color: var(--text); background: var(--panel); border-radius: 6px; padding: 9px 12px; }
.banner span { font-family: var(--mono); font-size: 12px; overflow-wrap: anywhere; }

.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; min-width: 0; overflow: hidden;
  display: flex; flex-direction: column; container-type: inline-size; }
.panel > header { display: flex; align-items: center; justify-content: space-between; gap: 8px; padding: 9px 14px 7px; }
.panel h2 { font-size: 13px; }
.panel header .dim { font-size: 11px; }
.inner { padding: 0 14px 12px; }
.scroll { overflow: auto; max-height: 340px; scrollbar-width: thin; scrollbar-color: var(--line) transparent; }
.wide-12 { grid-column: span 12; } .wide-8 { grid-column: span 8; } .wide-6 { grid-column: span 6; }
.wide-4 { grid-column: span 4; }
.side { grid-column: span 4; display: grid; gap: 14px; grid-template-rows: auto 1fr; min-width: 0; }
.chart { flex: 1 1 348px; min-height: 348px; width: 100%; }
.chart-tip:empty { display: none; }
.chart-tip { background: var(--panel) !important; color: var(--text) !important;
  border: 1px solid var(--line) !important;
  border-radius: 8px !important; padding: 7px 10px !important; box-shadow: 0 4px 16px rgb(0 0 0 / 0.16) !important;
  font-variant-numeric: tabular-nums; }
.chart-tip * { color: var(--text) !important; font-size: 12px !important; }

.board table { width: 100%; border-collapse: separate; border-spacing: 0; font-size: 12.5px; }
.board th { position: sticky; top: 0; z-index: 1; background: var(--panel); text-align: left; font-size: 11px;
  font-weight: 500; color: var(--dim); padding: 4px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
.board td { padding: 4.5px 10px; border-bottom: 1px solid color-mix(in srgb, var(--line) 60%, transparent);
  white-space: nowrap; vertical-align: baseline; }
.board tr:last-child td, .board tr:has(+ .note) td { border-bottom: 0; }
.board .note td { padding-top: 0; }
.board tbody tr:hover td { background: var(--hover); }
.board td b { font-weight: 600; }
.board .num { text-align: right; }
.board .num + :not(.num) { padding-left: 18px; }
.board td.text { white-space: normal; overflow-wrap: anywhere; min-width: 220px; }
.trouble { color: var(--bad); white-space: normal; overflow-wrap: anywhere; }
.none { color: var(--dim); padding: 4px 14px 12px; margin: 0; font-size: 12.5px; }
.inner .none { padding: 4px 0 0; }

.chip { display: inline-block; font-size: 11px; font-weight: 600; line-height: 1.5; padding: 0 7px; border-radius: 5px;
  white-space: nowrap; }
.chip.good { background: var(--good-bg); color: var(--good); }
.chip.live { background: var(--live-bg); color: var(--live); }
.chip.calm { background: var(--calm-bg); color: var(--calm); }
.chip.warn { background: var(--warn-bg); color: var(--warn); }
.chip.bad { background: var(--bad-bg); color: var(--bad); }

dl { margin: 0; display: grid; gap: 5px; }
dl > div { display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }
dt { color: var(--dim); font-size: 12px; } dd { margin: 0; text-align: right; min-width: 0; }
dd .chip { white-space: normal; }
.gauge { display: grid; grid-template-columns: auto 1fr; gap: 3px 10px; align-items: baseline; margin-top: 9px; }
.gauge .label { font-size: 12px; } .gauge .used { text-align: right; font-size: 12px; font-weight: 600; }
.track { grid-column: 1 / -1; height: 5px; border-radius: 3px; background: var(--calm-bg); overflow: hidden; }
.track > div { height: 100%; border-radius: 3px; background: var(--accent); }
.gauge.warn .track > div { background: var(--warn); } .gauge.bad .track > div { background: var(--bad); }
.gauge.bad .used, .gauge.warn .used { color: var(--bad); } .gauge.warn .used { color: var(--warn); }

.outcome { display: flex; justify-content: space-between; align-items: baseline; gap: 10px; margin: 0 0 8px; }
.outcome .dim { font-size: 11.5px; }
.panel h3, .sheet h3 { font-size: 12px; margin: 10px 0 3px; color: var(--dim); }
.panel ul, .sheet ul { margin: 0; padding-left: 16px; font-size: 12.5px; overflow-wrap: anywhere; list-style: disc; }
code { font: 12px var(--mono); }

.sheet { background: var(--panel) !important; color: var(--text) !important; border: 1px solid var(--line);
  border-radius: 12px !important; padding: 20px 22px; width: min(560px, calc(100vw - 32px)); max-width: none !important;
  box-shadow: 0 16px 48px rgb(0 0 0 / 0.28) !important; display: flex; flex-direction: column; gap: 8px; }
.sheet h2 { font-size: 16px; }
.sheet p { margin: 0; font-size: 13px; }
.sheet .choices { display: flex; justify-content: flex-end; gap: 8px; margin-top: 12px; flex-wrap: wrap; }
.sheet .body { max-height: 60vh; overflow: auto; font-size: 13px; }

.notice.q-notification { font: 13px/1.45 var(--sans); background: var(--panel); color: var(--text);
  border: 1px solid var(--line); border-left: 4px solid var(--good); border-radius: 9px; max-width: 620px;
  box-shadow: 0 8px 28px rgb(0 0 0 / 0.22); overflow-wrap: anywhere; }
.notice .q-notification__message { color: var(--text); }
.notice.bad { border-left-color: var(--bad) !important; } .notice.warn { border-left-color: var(--warn) !important; }

@container (max-width: 960px) { .board .wider { display: none; } }
@container (max-width: 800px) {
  .board th, .board td { padding-left: 7px; padding-right: 7px; }
  .board .num + :not(.num) { padding-left: 14px; }
}
@container (max-width: 600px) { .board .wide { display: none; } }
@container (max-width: 420px) {
  .board table { font-size: 11.5px; }
  .board th, .board td, .board .num + :not(.num) { padding-left: 4px; padding-right: 4px; }
}
.board tr > :first-child { padding-left: 14px !important; }
.board tr > :last-child { padding-right: 14px !important; }
@media (max-width: 1100px) {
  .wide-8, .wide-4, .wide-6, .side { grid-column: 1 / -1; }
  .side { grid-template-columns: 1fr 1fr; grid-template-rows: none; }
}
@media (max-width: 700px) {
  .bar { position: static; }
  .bar > div { padding: 10px 12px; gap: 10px; }
  .figures { gap: 8px 20px; }
  .brand, .connection { width: 100%; }
  .brand { order: -2; } .connection { order: -1; }
  .board { padding: 10px 12px 32px; gap: 10px; }
  .side { grid-template-columns: minmax(0, 1fr); gap: 10px; }
  .chart { flex-basis: 240px; min-height: 240px; }
  .btn.q-btn, a.btn, button.btn { min-height: 40px; }
  .board td.text { min-width: 150px; }
}
"""
)
