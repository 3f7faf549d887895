"""Where a page is served, and what is warned of."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest

from woundgen.errors import UserError
from woundgen.web.serve import Address, check_address, require_extra


def test_loopback_is_the_default_and_is_not_warned_of() -> None:
    assert Address().host == "127.0.0.1"
    assert check_address(Address(), what="photographs") == []
    assert Address().hosts(8765) == ["127.0.0.1:8765", "127.0.0.1:8765", "localhost:8765", "[::1]:8765"]


def test_another_address_is_warned_of() -> None:
    lines = check_address(Address("192.0.2.7"), what="photographs of patients")
    assert "photographs of patients are served to every machine" in lines[0]
    assert "unencrypted" in lines[1]
    assert Address("192.0.2.7").hosts(80) == ["192.0.2.7:80", "192.0.2.7"]


def test_tls_leaves_one_warning_and_changes_the_link(tmp_path: Path) -> None:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("")
    address = Address("192.0.2.7", certificate=tmp_path / "c.pem", key=tmp_path / "k.pem", names=("clinic.example",))
    assert len(check_address(address, what="photographs")) == 1
    assert address.url(443) == "https://clinic.example:443"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (Address(certificate=Path("c.pem")), "go together"),
        (Address(certificate=Path("/none/c.pem"), key=Path("/none/k.pem")), "does not exist"),
        (Address("0.0.0.0"), "--name"),
    ],
)
def test_what_cannot_be_served_is_said(address: Address, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_address(address, what="photographs")


@pytest.mark.parametrize("absent", ["starlette", "uvicorn"])
def test_the_missing_extra_is_named(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: object, **named: object) -> object:
        if name == absent:
            raise ImportError(f"No module named {absent!r}", name=absent)
        return original(name, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=rf"{absent}, .* pip install 'woundgen\[study\]'"):
        require_extra()
