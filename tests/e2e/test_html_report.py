"""The report in a real browser: hostile answers stay text, and the page does what it offers."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from evalkit.core.verdict import Verdict
from evalkit.report.html import render_html
from evalkit.report.rows import ReportRow, RowScore, SuiteReport

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
    pytest.mark.timeout(240),
]
VERDICT = Path(__file__).parents[1] / "unit" / "report" / "golden" / "verdict.json"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
PAYLOADS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "</script><script>document.title='owned'</script>",
    "</pre></details><svg/onload=\"document.title='owned'\">",
    "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>",
    '<img src="{site}/beacon.png"><link rel=stylesheet href="{site}/beacon.css">',
    '<meta http-equiv=refresh content="0;url={site}/beacon.html">',
    '<base href="{site}/beacon/"><form action="{site}/beacon"><input autofocus onfocus="document.title=\'owned\'">',
    "<a href=\"javascript:document.title='owned'\" autofocus onfocus=\"document.title='owned'\">x</a>",
    "<style>@import '{site}/beacon.css'; body{{display:none}} .verdict::before{{content:'PASS'}}</style>",
    "{{{{ 7*7 }}}} ${{7*7}} <%= 7*7 %>",
    "<details open ontoggle=\"document.title='owned'\">",
    "<video><source onerror=\"document.title='owned'\"></video><audio src={site}/beacon.ogg autoplay>",
    "<object data={site}/beacon.swf></object><embed src={site}/beacon.swf>",
    "<math><mtext><table><mglyph><style><img src=x onerror=\"document.title='owned'\">",
    '<!--<img src="--><img src=x onerror="document.title=\'owned\'">">',
    "]]><script>document.title='owned'</script>",
    "\u202e\u2066<b>bold</b>\x00<script\x00>document.title='owned'</script>",
    "<noscript><p title=\"</noscript><img src=x onerror=document.title='owned'>\">",
    "<template><script>document.title='owned'</script></template><portal src={site}/beacon>",
    "<body onload=\"document.title='owned'\"><plaintext>",
)


@dataclass
class Site:
    """A folder served on 127.0.0.1, and every path that was asked for."""

    folder: Path
    address: str
    asked: list[str]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def end_headers(self) -> None:
            if self.path.endswith("?no-script"):
                self.send_header("Content-Security-Policy", "script-src 'none'")
            super().end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Site(tmp_path, f"http://127.0.0.1:{server.server_address[1]}", asked)
    server.shutdown()
    thread.join()
    server.server_close()


Browse = Callable[..., str]


@pytest.fixture
def browse(tmp_path_factory: pytest.TempPathFactory) -> Browse:
    def run(address: str, *more: str) -> str:
        """Return the page's document after its scripts have run."""
        profile = tmp_path_factory.mktemp("chromium")
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=8000", *more]
        done = subprocess.run([*command, "--dump-dom", address], capture_output=True, timeout=120, check=True)
        return done.stdout.decode()

    return run


@pytest.fixture
def verdict() -> Verdict:
    return Verdict.model_validate_json(VERDICT.read_text())


def test_hostile_answers_have_no_effect_and_the_verdict_is_readable(
    site: Site, browse: Browse, verdict: Verdict
) -> None:
    texts = [payload.format(site=site.address) for payload in PAYLOADS]
    score = {text: RowScore(0.0, "ok", 1.0, "ok", text, text, binary=True) for text in texts[:2]}
    rows = [
        ReportRow(f"{i}{text}", text, {text: text}, text, text + "!", scores=score, tags=(text,), cluster=text)
        for i, text in enumerate(texts)
    ]
    warned = verdict.comparison.model_copy(update={"warnings": tuple(texts)})
    report = SuiteReport(verdict.model_copy(update={"comparison": warned}), rows)
    (site.folder / "report.html").write_text(render_html(report, static_budget=9_000), "utf-8", "backslashreplace")
    dom = browse(f"{site.address}/report.html")
    assert "<title>support_qa: fail</title>" in dom
    assert "FAIL: json_schema fell 6.7 points" in dom
    assert dom.count("<script") == 3
    assert not re.search(
        r"<(img|iframe|link|base|object|embed|video|audio|template|plaintext|b)\b(?!>warning|>differs)", dom
    )
    assert dom.count('<details class="item"') == len(rows)
    assert [path for path in site.asked if path != "/report.html"] in ([], ["/favicon.ico"])
    shown = html.unescape(dom)
    assert all(text.split("\x00")[0].replace("\u202e\u2066", "") in shown for text in texts)


def many(n: int) -> list[ReportRow]:
    def scores(i: int) -> dict[str, RowScore]:
        return {"correct": RowScore(float(i % 4 != 0), "ok", 1.0, "ok", binary=True)}

    return [
        ReportRow(
            f"q{i:03}",
            f"Orders may be sent back within {i} days.",
            {"question": "How long?"},
            f"{i + 1} days",
            f"Orders may be returned within {i} days.",
            scores=scores(i),
            tags=("even",) if i % 2 == 0 else ("odd",),
            latency_s=float(i % 7),
        )
        for i in range(n)
    ]


def test_permalink_opens_its_item_with_word_differences(site: Site, browse: Browse, verdict: Verdict) -> None:
    text = render_html(SuiteReport(verdict, many(40)), static_budget=12_000)
    assert "lie compressed in this file" in text
    (site.folder / "report.html").write_text(text)
    for key in ("q000", "q039"):  # one in the page, one unpacked by the script
        dom = browse(f"{site.address}/report.html#item={key}")
        item = re.search(rf'<details class="item" id="item={key}"[^>]*open.*?</details>', dom, re.DOTALL)
        assert item
        assert "<del>returned</del>" in item.group()
        assert "<ins>sent</ins> <ins>back</ins>" in item.group() or "<ins>sent back</ins>" in item.group()
        assert dom.count('<details class="item"') == 40


def test_page_is_readable_without_scripts(site: Site, browse: Browse, verdict: Verdict) -> None:
    (site.folder / "report.html").write_text(render_html(SuiteReport(verdict, many(12))))
    dom = browse(f"{site.address}/report.html?no-script")
    assert "FAIL: json_schema fell" in dom
    assert "Orders may be sent back within 3 days." in dom
    assert 'class="tools" hidden' in dom


DRIVER = """<!doctype html><iframe src="report.html" width="1200" height="800"></iframe><pre id="said"></pre><script>
addEventListener("load", () => {
  const frame = document.querySelector("iframe"), page = frame.contentDocument, view = frame.contentWindow;
  const said = [], say = (name, value) => said.push(name + "=" + value);
  const form = page.querySelector(".tools");
  const keys = () => [...page.querySelectorAll(".item")].map((node) => node.id.slice(5));
  const tell = (field) => {
    field.dispatchEvent(new view.Event("input", { bubbles: true }));
    field.dispatchEvent(new view.Event("change", { bubbles: true }));
  };
  const set = (name, value) => { form.elements[name].value = value; tell(form.elements[name]); };
  const pick = (value) => { form.querySelector(`[name=change][value="${value}"]`).checked = true; tell(form); };
  const press = (key) => {
    const place = page.activeElement || page.body;
    place.dispatchEvent(new view.KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  };
  const open = () => [...page.querySelectorAll(".item[open]")].map((node) => node.id.slice(5)).join("+");
  const painted = (where) => page.querySelector(where) ? "painted" : "plain";
  say("all", keys().length);
  say("first", keys()[0]);
  press("j");
  say("j", open());
  press("j");
  say("jj", open());
  press("k");
  say("jjk", open());
  say("hash", view.location.hash);
  pick("regressed");
  say("regressed", keys().length);
  set("tag", "odd");
  say("odd", keys().length);
  set("tag", "");
  pick("");
  set("metric", "correct");
  say("worse", keys().length);
  set("metric", "");
  set("search", "WITHIN 7 DAYS");
  say("search", keys().join("+"));
  say("count", form.querySelector("output").textContent);
  set("search", "");
  set("sort", "latency");
  say("slowest", keys()[0]);
  set("sort", "id");
  say("by_id", keys()[1]);
  set("sort", "worst");
  press("/");
  say("focus", page.activeElement.name);
  page.activeElement.blur();
  press("j");
  set("diff", "expected");
  say("diff", painted(".item[open] [data-part=expected] del"));
  set("diff", "");
  say("plain", painted(".item[open] del, .item[open] ins"));
  document.getElementById("said").textContent = said.join("\\n");
});
</script>"""


def test_filters_search_sort_and_keys_work(site: Site, browse: Browse, verdict: Verdict) -> None:
    (site.folder / "report.html").write_text(render_html(SuiteReport(verdict, many(40))))
    (site.folder / "driver.html").write_text(DRIVER)
    dom = browse(f"{site.address}/driver.html")
    found = re.search(r'<pre id="said">(.*?)</pre>', dom, re.DOTALL)
    assert found
    said = dict(line.split("=", 1) for line in html.unescape(found.group(1)).splitlines())
    assert said == {
        "all": "40",
        "first": "q000",
        "j": "q000",
        "jj": "q004",
        "jjk": "q000",
        "hash": "#item=q000",
        "regressed": "10",
        "odd": "0",
        "worse": "10",
        "search": "q007",
        "count": "1 of 40 items",
        "slowest": "q020",
        "by_id": "q001",
        "focus": "search",
        "diff": "painted",
        "plain": "plain",
    }
