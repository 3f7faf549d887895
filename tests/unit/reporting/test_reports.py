"""Whole reports from made-up runs: what stands in them, and what must not."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from woundgen.errors import UserError
from woundgen.reporting.markdown import training_report
from woundgen.reporting.pictures import jpeg_bytes
from woundgen.reporting.private_page import NearestPair, PrivateSection
from woundgen.reporting.read_run import collect, collect_grids
from woundgen.reporting.read_set import collect_scores
from woundgen.reporting.write import report_page, write_reports
from woundgen.storage.names import private_folder

from .stored_results import eval_row, measured, write_run, write_set

CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Tags, their links, and whether every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.images_without_alt = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "srcset", "action", "data", "poster") and v]
        self.images_without_alt += tag == "img" and not found.get("alt")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> out of order"


def test_the_page_is_whole_and_loads_nothing(shared: Path) -> None:
    text = (shared / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("data:image/", "#")) for link in page.links)
    assert page.images_without_alt == 0
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert f'content="{CSP}"' in text
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[^\"]+", "", text))


def test_a_run_named_as_a_script_stays_text(begun: Path) -> None:
    name = "<script>alert(1)"
    stored = json.loads((begun / "run.json").read_text())
    stored |= {"name": name, "versions": {'"><b>': "<img src=x>"}, "status": "<i>odd", "config": {"<u>": "<s>"}}
    (begun / "run.json").write_text(json.dumps(stored))
    content = collect(begun, [], [measured(label=name)])
    text = report_page([content], title=name)
    page = Page(text)
    assert "script" not in page.tags
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>" not in training_report(content)


def test_nothing_of_the_clinic_is_on_the_shared_pages(shared: Path) -> None:
    for name in ("report.html", "TRAINING_REPORT_phase_I.md"):
        text = (shared / name).read_text()
        for secret in ("maria", "clinic", "Jansen", "patients.csv", "patient_name", "p1.jpg", "row 17", "/tmp"):
            assert secret not in text, f"{secret} in {name}"


def test_real_photographs_are_on_the_private_page_alone(begun: Path, generated: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(9).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    photograph = tmp_path / "clinic" / "jansen_left_foot.png"
    photograph.parent.mkdir()
    Image.fromarray(pixels).save(photograph)
    drawn = np.zeros((32, 32, 3), np.uint8)
    section = PrivateSection("Phase I", [photograph], [drawn], [NearestPair(drawn, pixels, "distance 0.31")])
    out = tmp_path / "out"
    write_reports([collect(begun, [generated], [measured()])], out=out, title="Report", identity="0", private=[section])
    canary = _uri(pixels)
    folder = private_folder(out)
    assert (folder.stat().st_mode & 0o777, (folder / "report_private.html").stat().st_mode & 0o777) == (0o700, 0o600)
    assert not (out / "report_private.html").exists()
    shared, private = (path.read_text() for path in (out / "report.html", folder / "report_private.html"))
    assert canary not in shared
    assert "jansen" not in shared
    assert private.count(canary) == 2
    assert "Contains photographs of patients" in private
    assert "distance 0.31" in private
    assert Page(private).open == []


def _uri(pixels: np.ndarray) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg_bytes(pixels)).decode()


def test_grids_drawn_while_training_are_on_the_private_page_alone(run: Path, tmp_path: Path) -> None:
    """Nothing screens them: a run that memorises draws its photographs there."""
    grids = collect_grids(run)
    assert grids
    section = PrivateSection("training", grids=grids)
    out = tmp_path / "out"
    write_reports([collect(run, [], [measured()])], out=out, title="Report", identity="0", private=[section])
    shared, private = (file.read_text() for file in (out / "report.html", private_folder(out) / "report_private.html"))
    for grid in grids:
        assert grid.source not in shared
        assert grid.source in private
    assert "step 0, " not in shared


def test_a_secret_in_a_label_stops_everything(begun: Path, tmp_path: Path) -> None:
    content = collect(begun, [], [measured(label="without JANSEN-04")])
    with pytest.raises(UserError, match="JANSEN-04"):
        write_reports([content], out=tmp_path / "out", title="Report", identity="0", secrets=["JANSEN-04"])
    assert not (tmp_path / "out").exists()


def test_a_link_to_a_photograph_among_generated_images_is_refused(run: Path, generated: Path, tmp_path: Path) -> None:
    photograph = tmp_path / "photograph.png"
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(photograph)
    first = generated / "images" / "000000.png"
    first.unlink()
    first.symlink_to(photograph)
    with pytest.raises(UserError, match="leads outside"):
        collect(run, [generated], [])


def test_what_screening_did_is_counted(run: Path, generated: Path) -> None:
    one = collect(run, [generated], []).sets[0]
    # Of 24 every fourth is rejected, for three reasons in turn; of the last two one is surplus.
    assert (one.drawn, one.accepted, one.surplus, one.held_back) == (24, 17, 1, 2)
    assert dict(one.reasons) == {"copy by matched places": 2, "unlike real photographs": 2, "blurred": 2}
    assert one.strips == ()  # no score of the images alone is stored
    scores = collect_scores(generated)
    assert [strip.title for strip in scores.strips][:2] == [
        "Lowest SSIM to the real set", "Highest SSIM to the real set",
    ]  # fmt: skip
    assert len(one.pictures) == 17


def test_an_unscreened_set_says_so(begun: Path, tmp_path: Path) -> None:
    unscreened = write_set(tmp_path / "raw", screened=False)
    assert "not screened for copies" in report_page([collect(begun, [unscreened], [])], title="Report")


def test_evaluations_without_a_floor_make_no_report(run: Path) -> None:
    row = eval_row(0, 600, "ema", np.random.default_rng(0))
    row["metrics"] = [m for m in row["metrics"] if m["label"] != "floor"]
    (run / "eval.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match="a report without a floor cannot be made"):
        collect(run, [], [])


def test_a_number_that_no_axis_holds_is_refused(run: Path) -> None:
    row = {"step": 1, "epoch": 0.1, "loss": 1e300, "learning_rate": 1e-4}
    (run / "train.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match="single precision"):
        collect(run, [], [])


def test_measurements_without_a_floor_make_no_report(run: Path) -> None:
    content = measured()
    content["rows"] = [row for row in content["rows"] if row["label"] != "floor"]
    with pytest.raises(UserError, match="a report without a floor cannot be made"):
        collect(run, [], [content])


def test_a_run_that_has_only_begun_has_a_report(begun: Path) -> None:
    content = collect(begun, [], [])
    assert "preliminary" in report_page([content], title="Report")
    assert "Phase R (remodeling): new" in training_report(content)


@pytest.mark.parametrize("text", ["", "{}", '{"name": "x"}'])
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json"):
        collect(tmp_path, [], [])


def test_training_report_reads_as_written(run: Path, generated: Path) -> None:
    text = training_report(collect(run, [generated], [measured()]))
    assert text.startswith(
        "# Training report: Phase I (inflammatory): phase_I_r16\n\n"
        "The run finished. Base model embedded (77aa01bc), trained on 119 images.\n\n"
        "- FD (embedded): 6.12 (floor 2.04, interval 5.41 to 6.83, n = 100)\n"
        "- Gap closed: 0.740 (interval 0.570 to 0.910, n = 95)\n"
        "- Kept as best, by FD: step 500 (6.10, EMA weights)\n"
        "- Images accepted: 17 (of 24 drawn)\n"
    )
    for line in (
        "| FD (embedded) ↓ | 6.12 | 5.41 to 6.83 | 2.04 (1.82 to 2.26) | 3.31 (3.01 to 3.61) | 100 |",
        "| rejected: copy by matched places | 2 | 8% |",
        "| trained parameters | 221,184, 1.8% of 12,600,000 |",
        "| Step | Training loss since the row above | Validation loss, raw | Validation loss, EMA |",
        "| command | woundgen train --config … --set lora_rank=16 --set data_root=… |",
        "| data_root | (not shown) |",
        "| lora_target_modules | to_q, to_k, to_v, to_out.0 |",
    ):
        assert line in text, line


def test_history_has_a_row_an_evaluation(run: Path) -> None:
    text = training_report(collect(run, [], []))
    assert [int(step) for step in re.findall(r"^\| (\d+) \|", text, re.M)] == list(range(0, 601, 100))


def test_a_folder_holds_one_report_and_says_what_it_replaced(run: Path, tmp_path: Path) -> None:
    """The same run's again: refreshed. Another's: refused. A page that somebody changed: kept beside."""
    contents, out = [collect(run, [], [measured()])], tmp_path / "out"
    first = write_reports(contents, out=out, title="One", identity="a")
    assert first.refreshed == first.changed == ()
    again = write_reports(contents, out=out, title="Two", identity="a")
    assert again.refreshed == again.pages == first.pages
    assert again.changed == ()
    page = out / "report.html"
    page.write_text(page.read_text() + "<!-- my notes -->")
    changed = write_reports(contents, out=out, title="Three", identity="a")
    assert [path.name for path in changed.changed] == ["report.1.html"]
    assert "my notes" in changed.changed[0].read_text()
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UserError, match=r"holds a report of other runs or sets \(report\.html\)"):
        write_reports(contents, out=out, title="Four", identity="b")
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    (other := tmp_path / "mine").mkdir()
    (other / "report.html").write_text("a page of somebody's own")
    with pytest.raises(UserError, match="did not write"):
        write_reports(contents, out=other, title="Five", identity="a")
    assert [path.name for path in other.iterdir()] == ["report.html"]


def test_two_runs_share_a_page(begun: Path, tmp_path: Path) -> None:
    first = write_run(tmp_path / "first", steps=6)
    (first / "eval.jsonl").unlink()
    contents = [collect(run, [], []) for run in (first, begun)]
    paths = write_reports(contents, out=tmp_path / "out", title="Demo", identity="0")
    names = [path.name for path in paths.pages]
    assert names == ["report.html", "TRAINING_REPORT_phase_I.md", "TRAINING_REPORT_phase_R.md"]
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert {"#run-1", "#run-2"} <= set(page.links)
