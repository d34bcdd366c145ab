"""The signs and codes that stand beside an amount, and the currencies each can mean."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

#: The codes of ISO 4217 in use, the last ones of currencies that ended lately among them.
CODES = frozenset(
    re.findall(
        "[A-Z]{3}",
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
        "CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD "
        "HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL "
        "LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR "
        "PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP "
        "TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG ",
    )
)

_DOLLARS = "USD AUD CAD NZD SGD HKD TWD MXN ARS CLP COP UYU BBD BMD BND BSD BZD DOP FJD GYD JMD KYD LRD NAD SBD SRD TTD"
_SIGNS = {
    "€": "EUR", "£": "GBP GIP FKP SHP EGP LBP SYP SDG SSP", "$": _DOLLARS, "US$": "USD", "A$": "AUD", "AU$": "AUD",
    "C$": "CAD", "CA$": "CAD", "NZ$": "NZD", "S$": "SGD", "HK$": "HKD", "NT$": "TWD", "MX$": "MXN", "R$": "BRL",
    "¥": "JPY CNY", "￥": "JPY CNY", "kr": "SEK NOK DKK ISK", "kr.": "SEK NOK DKK ISK", "zł": "PLN", "Kč": "CZK",
    "Ft": "HUF", "lei": "RON MDL", "₹": "INR", "₩": "KRW KPW", "₽": "RUB", "₺": "TRY", "₴": "UAH", "₪": "ILS",
    "₫": "VND", "₦": "NGN", "₱": "PHP CUP", "฿": "THB", "₸": "KZT", "₵": "GHS", "₡": "CRC", "₲": "PYG", "Fr.": "CHF",
    "SFr.": "CHF", "Rs": "INR PKR LKR NPR MUR SCR", "Rs.": "INR PKR LKR NPR MUR SCR",
}  # fmt: skip

#: Signs that mean the first of their currencies wherever nothing says another.
_USUAL = frozenset({"£", "₩", "₱", "lei"})

#: A sign or code, as a pattern; the longer ones come first.
SIGN = "(?:" + "|".join([*map(re.escape, sorted(_SIGNS, key=len, reverse=True)), "[A-Z]{3}"]) + ")"


def meant_by(sign: str) -> tuple[str, ...]:
    """The currencies a sign or code can mean; none where it is no currency.

    >>> meant_by("kr")
    ('SEK', 'NOK', 'DKK', 'ISK')
    """
    return (sign,) if sign in CODES else tuple(_SIGNS.get(sign, "").split())


def named_by(signs: pd.Series, currency: pd.Series, home: str) -> tuple[pd.Series, dict[str, np.ndarray]]:
    """The currency of each row where a sign or code may stand beside its amount.

    Args:
        signs: the sign or code of each row, empty where there is none.
        currency: what the row's own column says, missing where it says nothing.
        home: the book's currency, which a sign of several currencies means where it can.

    Returns:
        The currencies, and by rule the rows whose currency is not known.
    """
    whole, masks = currency.copy(), {}
    empty = currency.isna().to_numpy()
    for sign in sorted(set(signs) - {""}):
        meant = meant_by(sign)
        rows = (signs == sign).to_numpy()
        other = rows & ~empty & ~currency.isin([*meant, sign]).to_numpy()
        masks[f"'{sign}' stands beside the amount, but the currency column says another"] = other
        if len(meant) > 1 and home not in meant and sign not in _USUAL:
            rule = f"which currency is '{sign}'? Name it in a column currency, or under constants: currency = \"USD\""
            masks[rule] = rows & empty
        else:
            whole = whole.mask(pd.Series(rows & empty, index=signs.index), home if home in meant else meant[0])
    return whole, {rule: rows for rule, rows in masks.items() if rows.any()}
