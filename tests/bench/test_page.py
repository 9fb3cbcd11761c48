#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page, opened in a browser: every plot has its data, nothing complains.

Its figures are made up here, one for every benchmark that exists, so that what
is drawn is known.
"""

import html
import html.parser
import re
import shutil
import tempfile
from pathlib import Path

import common
from browser import browse
from common import row
from tap import Tap

from report import page, results, suites

# What a reader does, on a screen of a given width (a window of a browser cannot
# be as narrow as a telephone's); what comes of it is left in the title.
ACT = """<!DOCTYPE html>
<iframe id="screen" style="border: 0; width: WIDTHpx; height: 800px"
        srcdoc="PAGE"></iframe>
<script>
document.getElementById("screen").addEventListener("load", (event) => {
  const view = event.target.contentWindow;
  const page = view.document;
  const root = page.documentElement;
  const paper = () => view.getComputedStyle(page.body).backgroundColor;
  const before = paper();
  page.getElementById("theme").click();
  const after = paper();
  let silent = 0;
  for (const figure of page.querySelectorAll("figure[data-plot]")) {
    const point = figure.querySelector("[data-tip]");
    point.dispatchEvent(new view.MouseEvent("click", { bubbles: true }));
    silent +=
      figure.querySelector("output").textContent !== point.dataset.tip;
  }
  for (const part of page.querySelectorAll("details")) {
    part.open = true;
  }
  document.title = `${view.innerWidth} wide, themes ${before !== after},` +
    ` silent ${silent}, overflow ${root.scrollWidth > root.clientWidth}`;
});
</script>"""

WRONG = "<script>undefinedFunction();</script>"


class Plots(html.parser.HTMLParser):
    """Points of each plot, by its key; and what would be fetched."""

    def __init__(self):
        super().__init__()
        self.promised, self.drawn, self.bad = {}, {}, []
        self.key = None
        self.fetched = []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "figure":
            self.key = attrs["data-plot"]
            self.promised[self.key] = int(attrs["data-points"])
            self.drawn[self.key] = 0
        if self.key and "data-tip" in attrs:
            self.drawn[self.key] += 1
            numbers = [attrs.get(a, "0") for a in ("cx", "cy", "x", "y")]
            if not all(re.fullmatch(r"-?\d+(\.\d+)?", n) for n in numbers):
                self.bad.append(f"{self.key}: a point at {numbers}")
        self.fetched += [f"{tag} {name}={value}"
                         for name, value in attrs.items()
                         if name in ("src", "href", "srcset") and value]

    def handle_endtag(self, tag):
        if tag == "figure":
            self.key = None


def all_names():
    """Every benchmark there is, and guests as their runner names them."""
    bench = common.BUILD / "bench"
    for name, path in (("xbar", bench / "xbar_bench"),
                       ("unicorn", bench / "peers" / "xbar_bench_unicorn"),
                       ("kvm", bench / "peers" / "xbar_bench_kvm")):
        try:
            yield from suites.Program(name, path).names()
        except suites.Missing as why:
            print(f"# {name}: {why}")
    for guest in ("guest/integer/crc/bare", "guest/mmio/mtime/sv39",
                  "board/boot"):
        for engine in ("xbar", "qemu", "native"):
            yield f"{guest}/{engine}"


def made_up(name, number):
    ns = 1 + len(name) * 3 + number * 0.01
    more = {}
    if name.startswith("latency/"):
        more = {"mean": ns, "p50": ns, "p99": 2 * ns, "p99.9": 3 * ns,
                "max": 90 * ns, "counter_cost": 20.0,
                "label": f"{ns}:9000 {2 * ns}:900 {3 * ns}:99 {90 * ns}:1"}
    return row(name, number, ns, **more)


def document():
    rows = [made_up(name, i) for name in all_names() for i in range(3)]
    return results.make({"xbar_rounds": 3, "xbar_skipped": {
        "<b>": "text that is not markup: <script>x()</script>"}}, rows)


def check_plots(tap, dom):
    plots = Plots()
    plots.feed(dom)
    wanted = {"access", "ram", "lookup", "commit", "latency", "guests",
              "peers", "pages", "threads"}
    tap.case("every plot is there", wanted - set(plots.drawn))
    for key, drawn in plots.drawn.items():
        tap.case(f"plot {key} has all of its data",
                 [] if drawn == plots.promised[key] >= 4
                 else [f"{drawn} points, {plots.promised[key]} promised"])
    tap.case("points are where they can be seen", plots.bad)
    tap.case("nothing is fetched", plots.fetched)


def main():
    tap = Tap()
    chromium = shutil.which("chromium")
    tap.case("there is a browser (package chromium)",
             [] if chromium else ["not found"])
    if not chromium:
        tap.end()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "bench.html"
        text = page.make(document())
        path.write_text(text)
        dom, said = browse(chromium, path.as_uri(), 2000)
        check_plots(tap, dom)
        tap.case("the console is silent", said)
        for title, width in (("wide", 1280), ("telephone", 390)):
            path.write_text(ACT.replace("WIDTH", str(width)).replace(
                "PAGE", html.escape(text, quote=True)))
            dom, said = browse(chromium, path.as_uri(), 2000,
                               "--window-size=1400,900")
            found = re.search("<title>([^<]*)</title>", dom)
            got = found.group(1) if found else "no title"
            tap.case(f"{title}: themes, tips, and no sideways scrolling",
                     said if got == f"{width} wide, themes true, silent 0,"
                     " overflow false" else [got, *said])
        path.write_text(text.replace("</body>", WRONG + "</body>"))
        _, said = browse(chromium, path.as_uri(), 2000)
        tap.case("an error would have been seen",
                 [] if said else ["the console said nothing"])
    tap.end()


if __name__ == "__main__":
    main()
