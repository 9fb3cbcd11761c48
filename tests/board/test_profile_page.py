# SPDX-License-Identifier: MIT
"""The profile's page, opened in a browser and clicked through."""

import html
import json
import os
import re
import shutil
import sys
import tempfile

from asm import finish
from guestio import (SOURCE_DIR, check, check_equal, in_folder, main, need,
                     profile_demo, run)

sys.path.insert(0, os.path.join(SOURCE_DIR, "tests"))
import browser  # noqa: E402

# What a reader does, on a screen of a given width; what came of it is left in
# the title, as JSON.
ACT = """<!DOCTYPE html>
<iframe id="screen" style="border: 0; width: WIDTHpx; height: 800px"
        srcdoc="PAGE"></iframe>
<script>
document.getElementById("screen").addEventListener("load", (event) => {
  const view = event.target.contentWindow;
  const page = view.document;
  const $ = (id) => page.getElementById(id);
  const found = { width: view.innerWidth };
  const click = (node) => node.dispatchEvent(
    new view.MouseEvent("click", { bubbles: true, clientX: 99 }));
  const paper = () => view.getComputedStyle(page.body).backgroundColor;
  const before = paper();
  click($("theme"));
  found.themes = before !== paper();

  const flame = () => [...$("flame").children].map((node) =>
    [node.dataset.name, +node.dataset.count, parseFloat(node.style.width)]);
  const named = (name) => [...$("flame").children].find(
    (node) => node.dataset.name === name);
  found.flame = flame();
  $("flame-search").value = "COLLATZ";
  $("flame-search").dispatchEvent(new view.Event("input"));
  found.searched = $("flame-found").textContent;
  found.marked = [...page.querySelectorAll("#flame .found")].map(
    (node) => node.dataset.name);
  click(named("longest_collatz"));
  found.zoomed = flame();
  found.says = $("flame-says").textContent;
  click($("flame-reset"));
  found.reset = flame();

  click(page.querySelector("[data-region=uart]"));
  found.region = $("region-says").textContent;
  found.cells = $("map").children.length;
  click(page.querySelector("[data-way=instructions]"));
  found.way = [...page.querySelectorAll("[data-way]")].filter(
    (node) => node.getAttribute("aria-pressed") === "true").map(
    (node) => node.dataset.way);
  const colour = (node) => view.getComputedStyle(node).backgroundColor;
  found.scale = [...$("map-scale").children].map((node) =>
    [node.textContent, colour(node.firstChild)]);
  found.colours = [...$("map").children].map(colour);
  click($("map").children[0]);
  found.cell = $("map-says").textContent;
  found.inside = $("map").children.length;
  click($("map").children[0]);
  found.page = $("map-says").textContent;
  click($("map-reset"));
  found.outside = $("map").children.length;

  found.silent = 0;
  for (const figure of page.querySelectorAll("figure[data-plot]")) {
    const svg = figure.querySelector("svg");
    click(svg.querySelector("rect") || svg);
    found.silent += figure.querySelector("output").textContent.trim() === "";
  }
  found.plots = page.querySelectorAll("figure[data-plot]").length;
  for (const part of page.querySelectorAll("details")) {
    part.open = true;
  }
  const root = page.documentElement;
  found.overflow = root.scrollWidth > root.clientWidth;
  document.title = JSON.stringify(found);
});
</script>"""


def browse(folder, text):
    """(title, what the console said) of @text as a page."""
    path = os.path.join(folder, "page.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    dom, said = browser.browse("chromium", "file://" + path, 3000,
                               "--window-size=1400,900")
    title = re.search("<title>(.*?)</title>", dom, re.S)
    return html.unescape(title[1]) if title else "", said


class Demo:
    """One profile of the demo, and what a reader found on two screens."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        self.found = {}
        self.page = None

    def close(self):
        shutil.rmtree(self.folder)

    def ensure(self):
        if self.page is None:
            _, self.report = profile_demo(self.folder)
            self.page = self.read("report.html")

    def read(self, name):
        with open(os.path.join(self.folder, "xbar-report", name),
                  encoding="utf-8") as file:
            return file.read()

    def on(self, width):
        need(shutil.which("chromium"), "no chromium")
        self.ensure()
        need(self.report["engine"] == "jit", "no translator for this host")
        if width not in self.found:
            title, said = browse(self.folder, ACT.replace(
                "WIDTH", str(width)).replace(
                "PAGE", html.escape(self.page, quote=True)))
            check_equal(said, [], "the console")
            self.found[width] = json.loads(title)
        return self.found[width]


DEMO = Demo()


def test_flame():
    """The flame graph zooms, finds and goes back"""
    found = DEMO.on(1280)
    samples = DEMO.report["counted"]["samples"]
    check_equal(found["flame"][0], ["all", samples["total"], 100], "root")
    names = [name for name, _, _ in found["flame"]]
    check("main" in names and "longest_collatz" in names, names)
    hot = [place for place, function
           in enumerate(DEMO.report["counted"]["functions"])
           if function["name"] == "longest_collatz"]
    number = sum(count for count, chain in samples["chains"]
                 if hot[0] in chain)
    check_equal(found["searched"],
                f"{100 * number / samples['total']:.1f} % of samples", "search")
    check_equal(set(found["marked"]), {"longest_collatz"}, "what is marked")
    for name, count, width in found["zoomed"]:
        check(name != "walk_random", "what is not below is gone")
        check(width == 100 or count < found["zoomed"][0][1], "widths")
    check("longest_collatz" in found["says"], found["says"])
    check_equal(found["reset"], found["flame"], "the same as at first")


def test_map():
    """The map shows what was touched, down to a page"""
    found = DEMO.on(1280)
    counted = DEMO.report["counted"]
    uart = next(r for r in counted["regions"] if r["name"] == "uart")
    check(f"1 B {uart['reads']:,};" in found["region"], found["region"])
    check_equal(found["cells"], 512, "cells")
    check_equal(found["way"], ["instructions"], "what is shown")
    check_equal(len(found["scale"]), 5, "colours that are explained")
    fetched = [0] * 512
    for address, _, _, instructions in counted["pages"]:
        fetched[(int(address, 16) - 0x80000000) >> 20] += instructions
    most, colour = found["scale"][4]
    check(re.fullmatch(r"[\d.]+M fetches a cell", most), most)
    check(abs(float(most.split("M")[0]) * 1e6 / max(fetched) - 1) < 0.01, most)
    check_equal(found["colours"][fetched.index(max(fetched))], colour,
                "the colour of the most")
    check_equal(len(set(found["colours"])), len(set(fetched)), "colours")
    check_equal(found["inside"], 256, "pages of a cell")
    page = counted["pages"][0]
    check_equal(page[0], "0x80000000", "the first page")
    check_equal(found["page"], f"0x80000000, 1 page, 1 touched: {page[1]:,} "
                f"reads, {page[2]:,} writes, {page[3]:,} instructions", "page")
    check(found["cell"].startswith("0x80000000, 256 pages, "), found["cell"])
    check_equal(found["outside"], 512, "cells again")


def test_plots():
    """Timelines and histograms are drawn, and answer"""
    found = DEMO.on(1280)
    timed = [r for r in DEMO.report["counted"]["regions"] if "latency" in r]
    check_equal(found["plots"], 6 + len(timed), "plots")
    check_equal(found["silent"], 0, "plots that say nothing")


def test_screens():
    """Light and dark; nothing scrolls sideways, on a telephone neither"""
    for width in (1280, 390):
        found = DEMO.on(width)
        check_equal(found["width"], width, "width")
        check(found["themes"], "themes")
        check(not found["overflow"], f"overflow at {width}")
        check_equal(found["silent"], 0, "plots that say nothing")


def test_alone():
    """The page fetches nothing, and an error would have been seen"""
    need(shutil.which("chromium"), "no chromium")
    DEMO.ensure()
    check(not re.search(r"\s(src|href|srcset)=|url\(|@import|import\(|fetch\(",
                        DEMO.page), "something is fetched")
    _, said = browse(DEMO.folder, DEMO.page.replace(
        "</body>", "<script>undefinedFunction();</script></body>"))
    check(said, "the console said nothing")


@in_folder
def test_little(folder):
    """A guest of a few instructions, with a name that is markup"""
    need(shutil.which("chromium"), "no chromium")
    name = "<script>document.title='bad';<\\script><!-- .bin"
    path = os.path.join(folder, name.replace("/", ""))
    with open(path, "wb") as file:
        file.write(finish(0x5555))
    result = run(["profile", "--bios", path, "-m", "1"], cwd=folder)
    check_equal(result.returncode, 0, "status")
    with open(os.path.join(folder, "xbar-report", "report.html"),
              encoding="utf-8") as file:
        title, said = browse(folder, file.read())
    check_equal((title, said), ("xbar profile", []), "title, console")


LEAVE_PARTS = """<script>
document.title = [...document.querySelectorAll("section:not([hidden])")].map(
  (part) => part.id).filter((id) => id).join();
</script></body>"""


@in_folder
def test_measured(folder):
    """Of what was not measured there is no part"""
    need(shutil.which("chromium"), "no chromium")
    for measure, parts in (("counts", "regions-part"),
                           ("pages", "regions-part,map-part"),
                           ("samples", "timeline-part,flame-part")):
        result = run(["profile", "--measure", measure], cwd=folder)
        check_equal(result.returncode, 0, "status")
        with open(os.path.join(folder, "xbar-report", "report.html"),
                  encoding="utf-8") as file:
            title, said = browse(folder, file.read().replace("</body>",
                                                             LEAVE_PARTS))
        check_equal((title, said), (parts, []), measure)


if __name__ == "__main__":
    try:
        main([test_flame, test_map, test_plots, test_screens, test_alone,
              test_little, test_measured])
    finally:
        DEMO.close()
