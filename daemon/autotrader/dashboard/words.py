"""Every word that the page shows, in English and in Korean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from autotrader.core.language import TRADE_WORDS, Both, Dictionary, Language

TEXTS: Final[Mapping[str, Both]] = {
    **TRADE_WORDS,
    # header
    "title": Both("autotrader", "autotrader"),
    "mode.paper": Both("PAPER", "모의"),
    "mode.live": Both("LIVE", "실전"),
    "generation": Both("generation {number}", "{number}세대"),
    "equity": Both("Equity", "총자산"),
    "today": Both("Today (UTC)", "오늘 (UTC)"),
    "market_time": Both("Market time", "시장 시각"),
    "uptime": Both("up {time}", "가동 {time}"),
    "connected": Both("connected", "연결됨"),
    "disconnected": Both("no answer", "응답 없음"),
    "waiting_first": Both("connecting", "연결 중"),
    "other_language": Both("한국어", "English"),
    "logout": Both("Log out", "로그아웃"),
    # banners
    "unreachable": Both(
        "The daemon does not answer. What is shown here is what was last known.",
        "데몬이 응답하지 않습니다. 아래는 마지막으로 확인된 내용입니다.",
    ),
    "too_many": Both(
        "Too many pages are open; close one and load this again.",
        "열린 페이지가 너무 많습니다. 하나를 닫고 새로고침하세요.",
    ),
    "no_journal": Both("The journal cannot be read", "기록을 읽을 수 없습니다"),
    "banner.killed": Both("Kill switch is on: {reason}", "긴급 정지 상태: {reason}"),
    "banner.exits_only": Both("Exits only: {reason}", "청산만 허용: {reason}"),
    "banner.reload": Both(
        "The last reload was rejected; the running generation stays.",
        "마지막 설정 반영이 거부되었습니다. 현재 세대가 계속 실행됩니다.",
    ),
    # buttons and their answers
    "pause_all": Both("Pause all", "전체 일시정지"),
    "resume_all": Both("Resume all", "전체 재개"),
    "kill": Both("Kill", "긴급 정지"),
    "unlock": Both("Unlock", "잠금 해제"),
    "cancel": Both("Cancel", "취소"),
    "show_plan": Both("Show plan", "반영 계획 보기"),
    "apply_plan": Both("Apply plan {hash}", "계획 {hash} 반영"),
    "close_dialog": Both("Close", "닫기"),
    "kill.title": Both("Close everything?", "모두 청산할까요?"),
    "kill.text": Both(
        "All entries are cancelled and every position is closed at the market. Nothing is entered until you unlock.",
        "모든 진입 주문을 취소하고 모든 포지션을 시장가로 청산합니다. 잠금을 해제할 때까지 진입하지 않습니다.",
    ),
    "kill.count": Both(
        "{positions} open positions, {orders} open orders", "보유 포지션 {positions}개, 미체결 주문 {orders}건"
    ),
    "kill.confirm": Both("Yes, close everything", "예, 모두 청산합니다"),
    "unlock.title": Both("Unlock trading?", "거래 잠금을 해제할까요?"),
    "unlock.text": Both(
        "The kill switch and the loss locks are lifted, and losses are measured from today's equity on.",
        "긴급 정지와 손실 잠금을 해제하고, 지금 총자산을 기준으로 손실을 다시 잽니다.",
    ),
    "unlock.confirm": Both("Yes, unlock", "예, 해제합니다"),
    "done.pause": Both(
        "Entries of all strategies are paused; exits go on.", "모든 전략의 진입을 멈췄습니다. 청산은 계속됩니다."
    ),
    "done.resume": Both("Entries of all strategies are allowed again.", "모든 전략의 진입을 다시 허용했습니다."),
    "done.kill": Both(
        "Kill switch is on: {closing} positions and entries are being ended.",
        "긴급 정지: 포지션과 진입 {closing}건을 정리하고 있습니다.",
    ),
    "done.unlock": Both("The kill switch and the loss locks are lifted.", "긴급 정지와 손실 잠금을 해제했습니다."),
    "done.reload": Both("Reload: {status}", "설정 반영: {status}"),
    "failed": Both("Not done: {error}", "실패: {error}"),
    # panels
    "equity_curve": Both("Equity curve", "자산 곡선"),
    "no_equity": Both("The curve begins with the first bar.", "첫 봉이 마감되면 곡선이 시작됩니다."),
    "strategies": Both("Strategies", "전략"),
    "positions": Both("Positions", "포지션"),
    "orders": Both("Orders", "주문"),
    "fills": Both("Fills", "체결"),
    "trades": Both("Closed trades", "종료된 거래"),
    "events": Both("Events", "이벤트"),
    "risk": Both("Risk", "위험 관리"),
    "reload": Both("Last reload", "마지막 설정 반영"),
    "newest": Both("newest {count}", "최근 {count}건"),
    "more": Both("and {count} more", "외 {count}개"),
    "none.strategies": Both(
        "No strategy is declared. Add a file to strategies.d.",
        "선언된 전략이 없습니다. strategies.d에 파일을 추가하세요.",
    ),
    "none.positions": Both("No open position.", "보유 포지션이 없습니다."),
    "none.orders": Both("No order yet.", "아직 주문이 없습니다."),
    "none.fills": Both("No fill yet.", "아직 체결이 없습니다."),
    "none.trades": Both("No closed trade yet.", "아직 종료된 거래가 없습니다."),
    "none.events": Both("Nothing has happened yet.", "아직 이벤트가 없습니다."),
    # columns
    "col.name": Both("Name", "이름"),
    "col.kind": Both("Kind", "종류"),
    "col.state": Both("State", "상태"),
    "col.symbols": Both("Symbols", "종목"),
    "col.position": Both("Position", "포지션"),
    "col.open_orders": Both("Open orders", "미체결"),
    "col.pnl": Both("P&L", "손익"),
    "col.last_decision": Both("Last decision", "마지막 판단"),
    "col.error": Both("Error", "오류"),
    "col.strategy": Both("Strategy", "전략"),
    "col.exchange": Both("Exchange", "거래소"),
    "col.symbol": Both("Symbol", "종목"),
    "col.amount": Both("Amount", "수량"),
    "col.entry_price": Both("Entry", "진입가"),
    "col.exit_price": Both("Exit", "청산가"),
    "col.last_price": Both("Last", "현재가"),
    "col.unrealized": Both("Unrealized", "미실현"),
    "col.realized": Both("Realized", "실현"),
    "col.stop": Both("Stop", "손절"),
    "col.take": Both("Take", "익절"),
    "col.opened": Both("Opened", "진입 시각"),
    "col.time": Both("Time", "시각"),
    "col.clock": Both("Clock time", "실제 시각"),
    "col.side": Both("Side", "방향"),
    "col.type": Both("Type", "유형"),
    "col.price": Both("Price", "가격"),
    "col.filled": Both("Filled", "체결량"),
    "col.fee": Both("Fee", "수수료"),
    "col.fees": Both("Fees", "수수료"),
    "col.reason": Both("Reason", "사유"),
    "col.message": Both("Message", "내용"),
    "col.subject": Both("Subject", "대상"),
    # states
    "state.watching": Both("watching", "관망"),
    "state.in position": Both("in position", "보유 중"),
    "state.paused": Both("paused", "일시정지"),
    "state.locked": Both("locked", "잠김"),
    "state.failed": Both("failed", "오류"),
    "state.killed": Both("killed", "긴급 정지"),
    "state.held": Both("held", "보류"),
    "state.closing": Both("closing", "청산 중"),
    "order.intent": Both("intent", "준비"),
    "order.sent": Both("sent", "전송"),
    "order.open": Both("open", "대기"),
    "order.partial": Both("partial", "부분 체결"),
    "order.filled": Both("filled", "체결"),
    "order.canceled": Both("canceled", "취소"),
    "order.rejected": Both("rejected", "거부"),
    "order.expired": Both("expired", "만료"),
    "order.armed": Both("armed", "감시 중"),
    "type.market": Both("market", "시장가"),
    "type.limit": Both("limit", "지정가"),
    "type.guard": Both("guard", "보호"),
    "type.stop": Both("stop", "스톱"),
    "level.info": Both("info", "정보"),
    "level.warning": Both("warning", "경고"),
    "level.error": Both("error", "오류"),
    # risk
    "risk.entries": Both("Entries", "진입"),
    "risk.allowed": Both("allowed", "허용"),
    "risk.paused": Both("paused", "일시정지"),
    "risk.paused_some": Both("paused: {names}", "일시정지: {names}"),
    "risk.blocked": Both("blocked", "차단"),
    "risk.kill_switch": Both("Kill switch", "긴급 정지"),
    "risk.on": Both("on", "켜짐"),
    "risk.off": Both("off", "꺼짐"),
    "risk.locks": Both("Loss locks", "손실 잠금"),
    "risk.no_locks": Both("none", "없음"),
    "risk.lock_drawdown": Both("drawdown, until unlock", "낙폭, 해제할 때까지"),
    "risk.lock_daily": Both("daily loss, until the next UTC day", "일일 손실, 다음 UTC 날짜까지"),
    "risk.lock_cooldown": Both("cooldown until {time}", "{time}까지 휴식"),
    "risk.no_limits": Both("No limit is declared in risk.d.", "risk.d에 선언된 한도가 없습니다."),
    "limit.max_daily_loss": Both("Daily loss", "일일 손실"),
    "limit.max_drawdown": Both("Drawdown", "낙폭"),
    "limit.max_exposure": Both("Exposure", "노출"),
    "limit.max_open_positions": Both("Open symbols", "보유 종목"),
    "limit.used": Both("{share} of the limit", "한도의 {share}"),
    # reload
    "reload.applied": Both("applied", "반영됨"),
    "reload.unchanged": Both("unchanged", "변경 없음"),
    "reload.rejected": Both("rejected", "거부됨"),
    "reload.needs_confirmation": Both("needs confirmation", "확인 필요"),
    "reload.probation": Both(
        "Generation {generation} is on probation until {until}; if it misbehaves, {back} comes back by itself.",
        "{generation}세대는 {until}까지 시험 중입니다. 문제가 생기면 {back}세대로 자동으로 되돌립니다.",
    ),
    "reload.waiting": Both("Waiting", "대기 중"),
    "reload.plan": Both("Plan to confirm", "확인할 계획"),
    "plan.title": Both("What a reload would do", "설정을 반영하면 일어나는 일"),
    "plan.nothing": Both("Nothing would change.", "바뀌는 것이 없습니다."),
    "plan.changes": Both("Changes", "변경"),
    "plan.starts": Both("Starts", "시작"),
    "plan.stops": Both("Stops", "중지"),
    "plan.restarts": Both("Restarts", "재시작"),
    "plan.cancels": Both("Orders that are cancelled", "취소되는 주문"),
    "plan.stops_moved": Both("Protective exits that move", "옮겨지는 보호 주문"),
    "plan.positions": Both("Positions", "포지션"),
    "plan.exposure": Both("Share of equity that strategies may use", "전략이 쓸 수 있는 자산 비율"),
    "plan.confirm": Both("Asks for a confirmation because", "확인이 필요한 이유"),
    "plan.refused": Both("Refused", "거부"),
    "plan.waiting": Both("Waiting", "대기 중"),
    # login
    "login.title": Both("Log in", "로그인"),
    "login.password": Both("Password", "비밀번호"),
    "login.button": Both("Log in", "로그인"),
    "login.wrong": Both("That password is not right.", "비밀번호가 올바르지 않습니다."),
    "login.wait": Both(
        "Too many attempts. Try again in {seconds} s.", "시도가 너무 많습니다. {seconds}초 뒤에 다시 시도하세요."
    ),
}


@dataclass(frozen=True)
class Words(Dictionary):
    """The page's texts in one language."""

    texts: Mapping[str, Both] = field(default_factory=lambda: TEXTS, compare=False)


def chosen(wanted: str, default: Language) -> Language:
    """Return the language that a person chose, else the default."""
    return "ko" if wanted == "ko" else "en" if wanted == "en" else default
