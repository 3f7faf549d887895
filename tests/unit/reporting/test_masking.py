"""What may be shown, by algebra of examples: numbers and words are, places and names are not."""

from __future__ import annotations

import pytest

from woundgen.errors import UserError
from woundgen.reporting.masking import HIDDEN, masked, refuse_private, shown, shown_command


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("lora_rank", 16, "16"),
        ("learning_rate", 1e-5, "1e-05"),
        ("data_augmentation", True, "yes"),
        ("lora_target_modules", ["to_q", "to_out.0"], "to_q, to_out.0"),
        ("channels", [1, 2, 2], "1, 2, 2"),
        ("base_model", "stabilityai/stable-diffusion-2-1-base", "stabilityai/stable-diffusion-2-1-base"),
        ("base_model", "/home/maria/models/sd21", "sd21"),
        ("diffusers", "0.42.0", "0.42.0"),
        ("data_root", "jansen", HIDDEN),
        ("group_column", "patient_name", HIDDEN),
        ("anything", "/data/clinic", HIDDEN),
        ("anything", "C:\\clinic\\p1", HIDDEN),
        ("anything", "patients.csv", HIDDEN),
        ("folders", ["a", "b"], HIDDEN),
        ("prompt", "red/yellow wound, high detail", "red/yellow wound, high detail"),
        ("prompt", "wound of /data/p1", f"wound of {HIDDEN}"),
    ],
)
def test_settings(key: str, value: object, text: str) -> None:
    assert shown(key, value) == text


def test_running_text_loses_its_paths() -> None:
    text = "'/data/Jan de Vries/p 1.jpg' is small; see ~/notes and p12.png, at 3/4 of the steps"
    assert masked(text) == f"{HIDDEN} is small; see {HIDDEN} and {HIDDEN} at 3/4 of the steps"


def test_commands_keep_verbs_options_and_numbers() -> None:
    command = "/home/maria/bin/woundgen train --config 'my clinic.yaml' --data jansen --set lora_rank=8 --resume latest"
    assert shown_command(command) == "woundgen train --config … --data … --set lora_rank=8 --resume latest"
    assert shown_command("woundgen 'unclosed") == HIDDEN


def test_a_page_with_a_secret_is_refused_but_not_for_base64() -> None:
    refuse_private('<img src="data:image/png;base64,Jansen">', ["Jansen"], name="report.html")
    refuse_private("1234 of 5000", ["1234", "Jan"], name="report.html")
    with pytest.raises(UserError, match=r"report\.html would hold 'Jansen'"):
        refuse_private("<p>Jansen</p>", ["Jansen"], name="report.html")
