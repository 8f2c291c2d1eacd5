"""How an amount of money is written for people; sums are always made with the integers."""

from typing import Final

# ISO 4217: these have no minor unit, so their integers are whole units already.
_WITHOUT_MINOR: Final = frozenset({
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga",
    "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf",
})  # fmt: skip


def amount_text(minor: int, currency: str | None = None) -> str:
    """Return minor units as an amount to be read: ``-1,234.05 USD``; no float on the way.

    Args:
        minor: Integer minor units (cents of dollars).
        currency: ISO 4217 code in any case; null leaves it out and takes two digits of minor unit.
    """
    sign, whole = ("-" if minor < 0 else ""), abs(minor)
    has_minor = (currency or "").lower() not in _WITHOUT_MINOR
    digits = f"{whole // 100:,}.{whole % 100:02d}" if has_minor else f"{whole:,}"
    return f"{sign}{digits}" + (f" {currency.upper()}" if currency else "")
