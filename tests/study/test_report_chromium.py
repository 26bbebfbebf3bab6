"""The page in a browser: no wider than the screen, and printable."""

from __future__ import annotations

import html
import re
import shutil
import subprocess

import pytest
from invented import write_study

from instrerank.study.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here (Debian: apt-get install chromium)")

WIDE = [(f"a-rather-long-name-of-a-perturbation-{n}", f"family {n // 3}", "invariance", True) for n in range(9)]
SYSTEMS = [(f"encoder-with-a-long-name-{n}", condition) for n in range(3) for condition in ("none", "own")]


def chromium(folder, *flags):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", *flags]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return write_report(write_study(folder, systems=SYSTEMS, perturbations=WIDE, modes=("fixed",)))


def test_the_page_is_no_wider_than_the_screen(report, tmp_path):
    # a frame, because a browser's window has a least width; all parts that fold are opened
    source = html.escape(report.read_text(encoding="utf-8").replace("<details>", "<details open>"))
    frames = "".join(f'<iframe width="{width}" srcdoc="{source}"></iframe>' for width in (360, 1280))
    (tmp_path / "frames.html").write_text(
        f"""<body>{frames}<script>onload = () => {{
        for (const frame of document.querySelectorAll("iframe")) {{
            const root = frame.contentDocument.documentElement
            const boxes = [...root.querySelectorAll(".box")].filter(box => box.scrollWidth > box.clientWidth)
            document.body.append(` measured=${{root.clientWidth}}/${{root.scrollWidth}}/${{boxes.length}}`)
        }}
        document.querySelectorAll("iframe").forEach(frame => frame.remove())
        }}</script>"""
    )
    page = chromium(tmp_path, "--dump-dom", f"file://{tmp_path / 'frames.html'}")
    phone, desktop = re.findall(r" measured=(\d+)/(\d+)/(\d+)", page)
    for width, (visible, whole, _) in ((360, phone), (1280, desktop)):
        # a frame's own scroll bar takes up to 15 pixels
        assert width - 16 <= int(visible) <= width
        assert whole == visible
    # wide tables scroll in their own boxes
    assert int(phone[2]) > 5


def test_it_prints(report, tmp_path):
    chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'page.pdf'}", f"file://{report}")
    pdf = (tmp_path / "page.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 3
