"""Tables: aligned, escaped, with a floor beside each distance and grades only where they belong."""

from __future__ import annotations

import pytest

from woundgen.errors import UserError
from woundgen.numbers import write_number
from woundgen.records import METRICS
from woundgen.reporting.grades import GRADES, grade
from woundgen.reporting.metric_explanations import MEANINGS, reading
from woundgen.reporting.metric_table import bounds, metric_table
from woundgen.reporting.stored_metrics import read_values
from woundgen.reporting.tables import Table, as_html, as_markdown, as_text, fits

from .stored_results import measured, value

TABLE = Table(("Name", "n"), (("a|b", "1"), ("<script>", "22")), ("See *there*.",))


def cells(rows: list, column: str) -> list[str]:
    table = metric_table(rows, source="metrics.json")
    return [row[table.header.index(column)] for row in table.rows]


def test_text_is_aligned() -> None:
    assert as_text(TABLE) == "Name      n\n--------  --\na|b       1\n<script>  22\nSee *there*.\n"


def test_cells_of_a_table_too_wide_are_broken_into_lines() -> None:
    table = Table(("Name of a thing", "n"), (("similarity to the photographs", "12"), ("b", "3")), ("A note. " * 8,))
    text = as_text(table, width=24)
    assert max(map(len, text.splitlines())) <= 24
    assert text.startswith(
        "Name of a thing       n\n--------------------  --\nsimilarity to the     12\nphotographs\n"
        "b                     3\n"
    )
    assert not fits(table, 24)
    assert fits(table, 34)


def test_columns_too_narrow_to_read_become_blocks() -> None:
    table = Table(("Name", "first", "second"), (("a" * 20, "b" * 20, "c" * 20),))
    assert as_text(table, width=40) == f"{'a' * 20}\n  first   {'b' * 20}\n  second  {'c' * 20}\n"


def test_markdown_cells_stay_cells() -> None:
    expected = "| Name | n |\n| --- | --- |\n| a\\|b | 1 |\n| &lt;script&gt; | 22 |\n\nSee \\*there\\*.\n"
    assert as_markdown(TABLE) == expected


def test_html_is_escaped() -> None:
    html = str(as_html(Table(('"><script>',), (("<img src=x>",),))))
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html


@pytest.mark.parametrize(
    ("x", "text"), [(12.345, "12.3"), (0.041, "0.0410"), (1234.5, "1234"), (-0.5, "−0.500"), (0, "0"), (6.1, "6.10")]
)
def test_numbers_have_three_digits(x: float, text: str) -> None:
    assert write_number(x) == text


def test_both_ends_of_an_interval_have_the_same_decimals() -> None:
    assert bounds(value("kid", 0.0, half=0.0031)) == "−0.00310 to 0.00310"
    assert bounds(value("kid", 0.0, half=None)) == "none"


@pytest.mark.parametrize("metric", ["fd", "kid", "fid"])
def test_a_distance_without_a_floor_is_refused(metric: str) -> None:
    network = "inception" if metric == "fid" else "embedded"
    with pytest.raises(UserError, match="a report without a floor cannot be made"):
        metric_table([value(metric, 8.0, network=network)], source="metrics.json")


def test_a_floor_in_other_features_is_no_floor() -> None:
    rows = [value("fd", 8.0), value("fd", 2.0, label="floor", digest="ffff0000")]
    with pytest.raises(UserError, match="floor"):
        metric_table(rows, source="metrics.json")


def test_a_row_carries_value_interval_n_network_floor_and_ceiling() -> None:
    stored = read_values(measured()["rows"], source="metrics.json")
    table = metric_table([one.value for one in stored], source="metrics.json")
    assert table.rows[0][:7] == (
        "FD (embedded) ↓",
        "6.12",
        "5.41 to 6.83",
        "2.04 (1.82 to 2.26)",
        "3.31 (3.01 to 3.61)",
        "100",
        "embedded 3f2a9c41",
    )
    assert table.rows[0][-1].startswith("5-95 % of draws of n = 100")


def test_a_floor_at_another_n_says_so() -> None:
    rows = [value("fd", 8.0, n=100), value("fd", 2.0, n=50, label="floor")]
    assert cells(rows, "Floor (real halves)") == ["2.00 (1.50 to 2.50), at n = 50"]
    assert "cannot be compared" in reading(*rows, None)


# Decision 4 of the consultation: FID < 50 (< 30 excellent), SSIM > .70 (.80), LPIPS < .30 (.20), IS > 2 (3).
@pytest.mark.parametrize(
    ("metric", "x", "expected"),
    [
        ("fid", 29.9, "excellent (< 30)"),
        ("fid", 30.0, "good (< 50)"),
        ("fid", 50.0, "not reached (< 50)"),
        ("ssim", 0.81, "excellent (> 0.80)"),
        ("ssim", 0.70, "not reached (> 0.70)"),
        ("lpips", 0.25, "good (< 0.30)"),
        ("inception_score", 3.0, "good (> 2.0)"),
    ],
)
def test_grades_of_the_consultation(metric: str, x: float, expected: str) -> None:
    assert grade(value(metric, x)) == expected


@pytest.mark.parametrize("metric", sorted(set(METRICS) - {"fid", "ssim", "lpips", "inception_score"}))
def test_no_other_metric_is_graded(metric: str) -> None:
    assert metric not in GRADES
    assert grade(value(metric, 0.1)) == ""


def test_a_table_of_fd_prints_no_grade_of_fid() -> None:
    table = metric_table([value("fd", 8.0), value("fd", 2.0, label="floor")], source="metrics.json")
    assert "Grade asked for" not in table.header


def test_the_floor_is_graded_too() -> None:
    rows = [value("ssim", 0.24), value("ssim", 0.22, label="floor")]
    assert cells(rows, "Grade asked for") == ["not reached (> 0.70); floor: not reached"]


def test_fid_is_said_of_inception_only() -> None:
    with pytest.raises(UserError, match="Only the Inception network gives FID"):
        read_values([value("fid", 20.0).to_json()], source="metrics.json")


def test_every_metric_is_explained() -> None:
    assert set(MEANINGS) == set(METRICS)


@pytest.mark.parametrize("broken", [{"metric": "fd"}, {"metric": "beauty"}, value("fd", 1.0).to_json() | {"n": [1]}])
def test_broken_rows_are_the_users_to_mend(broken: dict) -> None:
    with pytest.raises(UserError, match=r"metrics\.json"):
        read_values([broken], source="metrics.json")


def test_a_table_wider_than_the_terminal_becomes_blocks() -> None:
    table = Table(
        ("What", "Value", "n"), (("distance", "3.1", "40"), ("share", "", "9")), ("A note of several words.",)
    )
    assert as_text(table, width=80) == as_text(table)
    assert (
        as_text(table, width=12)
        == "distance\n  Value  3.1\n  n      40\nshare\n  n      9\nA note of\nseveral\nwords.\n"
    )
