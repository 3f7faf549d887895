"""PRIVACY.md: an audit as a page that may be passed on. Names no photograph, patient or path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def audit_page(result: Mapping[str, Any]) -> str:
    """result: what `woundgen audit` stores in privacy.json."""
    copies, own = result["copies"], result["authenticity"]
    usual = "no photograph held out" if own["held_out"] is None else f"{own['held_out']:.2f} (n = {own['n'][1]})"
    rows = [
        ("copies", f"{copies['count']} of {result['n']}; one-sided 95 % bound of the rate {copies['upper_bound']:.1%}"),
        ("held back when drawn", _held_back(result["drawn"])),
        ("nearest photograph", _nearness(result["nearness"])),
        ("authenticity", f"{own['value']:.2f} (n = {own['n'][0]}; no interval); photographs held out: {usual}"),
        ("membership", _membership(result["membership"])),
    ]
    table = [f"| {name} | {text} |" for name, text in rows]
    lines = ["# Privacy audit", "", f"**{result['verdict']}**", "", result["not_covered"], "", "| | |", "| --- | --- |"]
    return "\n".join([*lines, *table]) + "\n"


def _held_back(drawn: Mapping[str, Any]) -> str:
    return f"{drawn['held_back']} of {drawn['count']} drawn images were called copies, and are not in the set"


def _nearness(test: Mapping[str, Any]) -> str:
    if "not_made" in test:
        return f"not tested: {test['not_made']}"
    return (
        f"trained on for {test['share']:.0%} of {test['n']} images, where {test['usual']:.0%} are usual; patients "
        f"dealt anew, p = {test['p']:.3f} ({test['trained']} patients trained on, {test['held_out']} not)"
    )


def _membership(test: Mapping[str, Any]) -> str:
    if "not_made" in test:
        return f"not tested: {test['not_made']}"
    return (
        f"AUC {test['auc']:.2f}, p = {test['p']:.3f}; the smallest that {test['trained']} patients trained on and "
        f"{test['held_out']} sealed could show: {test['smallest']:.2f}"
    )
