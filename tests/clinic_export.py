"""A generated export of the clinic with every oddity that the real one has: BOM, commas in quoted headers, ids padded
in one table only, several wounds a photograph, rows that disagree with their file name, repeated keys, missing files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from woundgen.data.files.images import write_png

BOXES = "Filename,Patient#,Appt#,DFU#,DebriStat,Camera,Angle,Bounding Box Number,Xmin,Ymin,Xmax,Ymax"
LABELS = """\
Patient#,Appt#,DFU#,"Offloading, type",Healing Phase Abs
1,1,1,"boot, left",I
1,1,2,,R
1,2,1,,P+
2,1,1,,R
2,1,1,,R
3,1,1,,I
3,1,1,,P
4,1,1,,I+
5,1,1,,
6,1,1,,X
8,1,1,,P-
"""
# One line each: what it is for stands behind it. The first is line 2 of the file.
DEPTH = """\
0001_P001011BDRZ.png,001,01,1,B,D,R,1,10,10,65,60
0001_P001011BDRZ.png,001,01,2,B,D,R,2,70,20,110,75
0002_P001021ADLW.png,001,02,1,A,D,L,1,5,5,50,60
0003_P002011BDMZ.png,002,01,1,B,D,M,1,8,8,60,60
0003_P002011BDMZ.png,002,01,1,B,D,M,1,8,8,60,60
0004_P003011BDRZ.png,003,01,1,B,D,R,1,8,8,60,60
0005_P004011BDRZ.png,009,01,1,B,D,R,1,8,8,60,60
0006_P004011BDRZ.png,004,01,1,A,D,R,1,8,8,60,60
0007_P004011BDRZ.png,004,01,1,B,D,R,1,8,8,60,60
0008_P005011BDRZ.png,005,01,1,B,D,R,1,8,8,60,60
0009_P006011BDRZ.png,006,01,1,B,D,R,1,8,8,60,60
0010_P007011BDRZ.png,007,01,1,B,D,R,1,8,8,60,60
0011_P004011BDLZ.png,004,01,1,B,D,L,1,8,8,600,60
0012_P004011BDMZ.png,004,01,1,B,D,M,1,8,8,60,60
0012_P004011BDMZ.png,004,01,1,B,D,M,2,30,8,90,60
foot.png,004,01,1,B,D,M,1,8,8,60,60
0013_P008011ADLZ.png,008,01,1,A,D,L,1,8,8,,60
0014_P008011ADMZ.png,008,01,1,A,D,M,1,8,8,63.2,60
"""
MISSING = "0007_P004011BDRZ.png"
# file, wound's label, box
TAKEN = [
    ("0001_P001011BDRZ.png", "1", "I", (10, 10, 65, 60)),
    ("0001_P001011BDRZ.png", "1", "R", (70, 20, 110, 75)),  # the second wound: its own box, its own phase
    ("0002_P001021ADLW.png", "1", "P", (5, 5, 50, 60)),
    ("0003_P002011BDMZ.png", "2", "R", (8, 8, 60, 60)),
    ("0014_P008011ADMZ.png", "8", "P", (8, 8, 64, 60)),
]
LEFT_OUT = {  # line of bounding_box_depth.csv → reason
    6: "repeated row",
    7: "two labels under one key",
    8: "file name disagrees with the table",
    9: "file name disagrees with the table",
    10: "missing file",
    11: "no label",
    12: "unknown label",
    13: "no label",
    14: "box empty or outside the photograph",
    15: "several boxes for one wound",
    16: "several boxes for one wound",
    17: "file name not of the expected form",
    18: "box is not four numbers",
}


def write_export(root: Path) -> Path:
    """The export below `root`; returns the table of labels."""
    (root / "Depth_RGB").mkdir(parents=True)
    (root / "Thermal_RGB").mkdir()
    names = sorted({line.split(",")[0] for line in DEPTH.splitlines()} - {MISSING})
    for number, name in enumerate(names):
        write_png(root / "Depth_RGB" / name, np.full((96, 128, 3), 40 + number, np.uint8), text={})
    write_png(root / "Thermal_RGB" / "0001_P001011BTRZ.png", np.full((96, 128, 3), 9, np.uint8), text={})
    (root / "bounding_box_depth.csv").write_text(f"\ufeff{BOXES}\n{DEPTH}", encoding="utf-8")
    thermal = "0001_P001011BTRZ.png,1,1,1,B,T,R,1,1,2,31,42\n"
    (root / "bounding_box_thermal.csv").write_text(f"\ufeff{BOXES}\n{thermal}", encoding="utf-8")
    (root / "labels.csv").write_text("\ufeff" + LABELS, encoding="utf-8")
    return root / "labels.csv"
