"""The schema of autotrader.yaml: the daemon's own settings. Every key has a default; an empty file is valid."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Field, model_validator

from autotrader.config.model import Declared, trouble
from autotrader.config.secrets import Secret
from autotrader.config.types import CurrencyStr, DurationMs, NameStr

_HOSTNAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        close = difflib.get_close_matches(name, available_timezones(), 1, 0.5)
        raise trouble(
            f"'{name[:60]}' is not a time zone", f"did you mean '{close[0]}'?" if close else "write one as Asia/Seoul"
        ) from None
    return name


def _host(name: str) -> str:
    if _address(name) is None and (not _HOSTNAME.fullmatch(name) or re.fullmatch(r"[\d.]+", name)):
        raise trouble(f"'{name[:60]}' is not a host", "write an address as 127.0.0.1, or a host's name")
    return name


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


PathStr = Annotated[str, Field(min_length=1, max_length=1000)]
"""A path, relative to the configuration folder."""


class ReloadSettings(Declared):
    confirm: Literal["never", "loosening", "always"] = Field(
        default="never",
        description="Which reloads wait for a confirmation: none, those that loosen a risk limit, or all.",
    )
    probation: DurationMs | None = Field(
        default=None,
        description="How long a new generation is on probation, as 30m: one that misbehaves is rolled back by itself.",
    )


class DashboardSettings(Declared):
    host: Annotated[str, AfterValidator(_host)] = Field(
        default="127.0.0.1", description="Address to listen on. Any but a loopback address needs a password."
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one and says which.")
    password: Secret | None = Field(default=None, description="The page's password, as ${file:NAME} or ${env:NAME}.")

    @model_validator(mode="after")
    def _guarded(self) -> DashboardSettings:
        if self.password is None and not self.loopback:
            message = f"the dashboard would listen on {self.host} without a password"
            raise trouble(message, "add  password: ${file:dashboard_password}  or listen on 127.0.0.1", at=("host",))
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        address = _address(self.host)
        return address.is_loopback if address else self.host == "localhost"


class DaemonSettings(Declared):
    planned: ClassVar[Mapping[str, str]] = {
        "telegram": "it comes with the Telegram bot",
    }

    mode: Literal["paper", "live"] = Field(
        default="paper",
        description="paper: no order ever leaves this machine. live: those of exchanges with `orders: live` do.",
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC",
        description="For schedules and what people read; everything stored is UTC.",
        examples=["Asia/Seoul"],
    )
    language: Literal["ko", "en"] = Field(default="en", description="Language of the dashboard and of reports.")
    currency: CurrencyStr | None = Field(
        default=None,
        description="What equity and limits are counted in; left out: the one currency of the exchanges, else USDT.",
    )
    store: PathStr = Field(default="var/autotrader.db", description="The journal's file.")
    data: PathStr = Field(default="var/data", description="The folder of recorded market history.")
    risk: NameStr = Field(default="default", description="The account-wide limits: the name of a file in risk.d.")
    reload: ReloadSettings = Field(
        default_factory=ReloadSettings, description="How edited declarations are taken over."
    )
    dashboard: DashboardSettings = Field(default_factory=DashboardSettings, description="The web page.")
