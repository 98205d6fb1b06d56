"""What the processor of a card behind PayPal answered, in our codes.

The response codes are those of PayPal's `processor_response` (Payments v2). What they say of us or
of PayPal is the provider's refusal: no other card would have fared better.
"""

from __future__ import annotations

from typing import Final

_BY_OURS: Final = {
    "card_declined": (
        "0100 0580 0R00 10BR 1320 1384 1390 1393 5100 5210 5800 5900 5910 9530 9540 9600 PCNR PPAR "
        "PPAU PPCR PPDV PPLS PPMD PPPI PPPM PPQC PPRN PPSC PPSD PPSE"
    ),
    "do_not_honor": "0500",
    "insufficient_funds": "1000 5120",
    "limit_exceeded": "5710 PPAX PPDT PPEL PPNL",
    "expired_card": "5400 PPEF",
    "invalid_expiry": "1380 PPEX",
    "incorrect_cvc": "00N7 1382 5110 PCVV PPC2",
    "incorrect_number": "7800 PPFI PPIM",
    "incorrect_address": "5170 5190 PPAD PPAV",
    "incorrect_pin": "0890 5130 5135 5500 7900",
    "stolen_card": "9520",
    "pickup_card": "5150",
    "fraudulent": "9500",
    "invalid_account": "0390 1330 1335 1352 5140 5930 5950 6300 PP06 PPAB",
    "not_permitted": "5160 5180 5700 9510 PPAG PPBG PPFR PPUA",
    "card_not_supported": "1312 PPAE PPCO PPCT PPDI PPMC",
    "currency_not_supported": "PPCU PPUC PPVC",
    "amount_not_supported": "1310 PPAI",
    "authentication_required": "5650",
    "authentication_failed": "7700 7710 PPD3",
    "issuer_unavailable": "5920",
    "processing_error": (
        "0800 0880 0960 8000 8010 8020 8100 8110 8220 9100 PPER PPH1 PPNT PPTF PPTI PPIT"
    ),
    "duplicate": "5200 PPFE PPIF",
    "token_invalid": "PPTE PPTR PPTV",
    "authorization_expired": "PPS3",
    "authorization_voided": "PPS2",
    "already_captured": "PPS1",
    "provider_rejected": (
        "1300 1317 1340 1350 1360 1370 7600 8030 PPCE PPDC PPFV PPGR PPII PPLR PPMB PPNC PPNM PPPH "
        "PPRE PPRF PPRR PPS0 PPS4 PPS5 PPS6 PPTT PPUE PPUI PPUP PPUR PPVE PPVT"
    ),
}
# Approved, so nobody was declined for it.
APPROVED: Final = "0000"

CODES: Final = {word: ours for ours, words in _BY_OURS.items() for word in words.split()}


def unified_response(code: str | None) -> str:
    """Our code of a response code; none, or one that nobody here knows, is a card declined."""
    return CODES.get(code or "", "card_declined")
