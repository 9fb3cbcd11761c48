// SPDX-License-Identifier: MIT
"use strict";

// All figures are drawn from the report that the page carries.
const report = JSON.parse(document.getElementById("report").textContent);
const run = report.counted;
const $ = (id) => document.getElementById(id);
const count = (n) => Math.round(n).toLocaleString("en");

function short(n) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (n >= size) {
      return (n / size).toPrecision(3) + unit;
    }
  }
  return String(+n.toPrecision(3));
}

function time(ns) {
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["us", 1e3]]) {
    if (ns >= size) {
      return +(ns / size).toPrecision(3) + " " + unit;
    }
  }
  return Math.round(ns) + " ns";
}

function element(parent, name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.textContent = text;
  parent.append(made);
  return made;
}

function shape(parent, name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.textContent = text;
  parent.append(made);
  return made;
}

// ---- Flame graph --------------------------------------------------------

function makeTree() {
  const root = { name: "all", count: 0, below: new Map() };
  for (const [samples, chain] of run.samples.chains) {
    let node = root;
    root.count += samples;
    for (const place of chain) {
      if (!node.below.has(place)) {
        node.below.set(place, { name: run.functions[place].name, count: 0,
                                below: new Map(), up: node });
      }
      node = node.below.get(place);
      node.count += samples;
    }
  }
  return root;
}

const flame = { root: makeTree(), at: null };
flame.at = flame.root;

// The same name has the same colour, in each profile.
function warmth(name) {
  let hash = 0;
  for (const c of name) {
    hash = (hash * 31 + c.codePointAt(0)) >>> 0;
  }
  return `hsl(${20 + hash % 40} ${70 + hash % 23}% ${62 + hash % 13}%)`;
}

function describe(node) {
  const part = 100 * node.count / flame.root.count;
  return `${node.name}: ${count(node.count)} samples, ${part.toFixed(1)} %`;
}

function placeNode(node, left, width, depth) {
  const made = element($("flame"), "button",
    { "data-name": node.name, "data-count": node.count,
      title: describe(node) },
    width > 3 ? node.name : "");
  made.style.left = left + "%";
  made.style.width = width + "%";
  made.style.top = 1.35 * depth + "rem";
  made.style.background = warmth(node.name);
  made.addEventListener("click", () => zoom(node));
  made.addEventListener("pointerover", () => {
    $("flame-says").textContent = describe(node);
  });
  made.addEventListener("focus", () => {
    $("flame-says").textContent = describe(node);
  });
}

function drawBelow(node, left, width, depth) {
  let deepest = depth;
  placeNode(node, left, width, depth);
  const below = [...node.below.values()].sort(
    (a, b) => b.count - a.count || a.name.localeCompare(b.name));
  for (const child of below) {
    const part = width * child.count / node.count;
    if (part >= 0.1) {
      deepest = Math.max(deepest, drawBelow(child, left, part, depth + 1));
    }
    left += part;
  }
  return deepest;
}

// What is above the node that was chosen is as wide as the picture.
function drawFlame() {
  const above = [];
  for (let node = flame.at.up; node; node = node.up) {
    above.unshift(node);
  }
  $("flame").textContent = "";
  above.forEach((node, depth) => placeNode(node, 0, 100, depth));
  const deepest = drawBelow(flame.at, 0, 100, above.length);
  $("flame").style.height = 1.35 * (deepest + 1) + "rem";
  $("flame-says").textContent = describe(flame.at);
  search();
}

function zoom(node) {
  flame.at = node;
  drawFlame();
}

function matching(node, text) {
  if (node !== flame.root && node.name.toLowerCase().includes(text)) {
    return node.count;
  }
  let sum = 0;
  for (const child of node.below.values()) {
    sum += matching(child, text);
  }
  return sum;
}

function search() {
  const text = $("flame-search").value.toLowerCase();
  for (const button of $("flame").children) {
    const name = button.dataset.name.toLowerCase();
    button.classList.toggle("found", text !== "" && name.includes(text));
  }
  $("flame-found").textContent = text === "" ? "" :
    (100 * matching(flame.root, text) / flame.root.count).toFixed(1) +
    " % of samples";
}

if (flame.root.count) {
  $("flame-part").hidden = false;
  $("flame-search").addEventListener("input", search);
  $("flame-reset").addEventListener("click", () => {
    $("flame-search").value = "";
    zoom(flame.root);
  });
  drawFlame();
}

// ---- Timeline -----------------------------------------------------------

const perSecond = (name) => (i, line) =>
  (line[name][i] - line[name][i - 1]) / (line.ns[i] - line.ns[i - 1]) * 1e9;

const series = [
  ["Million instructions per second",
   (i, line) => perSecond("instructions")(i, line) / 1e6],
  ["TLB misses per second", (i, line) => perSecond("walks")(i, line) +
                                         perSecond("l2_hits")(i, line)],
  ["Device accesses per second", perSecond("mmio")],
  ["Commits per second", perSecond("commits")],
  ["Resident memory, MiB", (i, line) => line.resident_bytes[i] / (1 << 20)],
  ["Translated code, KiB", (i, line) => line.code_bytes[i] / (1 << 10)],
];

const WIDTH = 480, HEIGHT = 114, BASE = 96, TOP = 18;

// Neighbours are averaged, so that a line has no more points than pixels.
function values(fn, line) {
  const all = [];
  for (let i = 1; i < line.ns.length; i++) {
    if (line.ns[i] > line.ns[i - 1]) {
      all.push([(line.ns[i] + line.ns[i - 1]) / 2, fn(i, line)]);
    }
  }
  const step = Math.max(1, Math.ceil(all.length / 240));
  const made = [];
  for (let i = 0; i < all.length; i += step) {
    const some = all.slice(i, i + step);
    made.push([some[some.length >> 1][0],
               some.reduce((sum, v) => sum + v[1], 0) / some.length]);
  }
  return made;
}

function drawLine([title, fn], which) {
  const points = values(fn, run.timeline);
  const end = run.timeline.ns[run.timeline.ns.length - 1];
  const most = Math.max(...points.map((p) => p[1])) || 1;
  const figure = element($("timeline"), "figure", { "data-plot": title,
    "data-points": points.length });
  element(figure, "figcaption", {}, title);
  const svg = shape(figure, "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img", "aria-label": title });
  const says = element(figure, "output", {}, " ");
  const x = (ns) => 4 + (WIDTH - 8) * ns / end;
  const y = (value) => BASE - (BASE - TOP) * value / most;
  shape(svg, "line", { x1: 4, x2: WIDTH - 4, y1: BASE, y2: BASE });
  shape(svg, "line", { x1: 4, x2: WIDTH - 4, y1: TOP, y2: TOP });
  shape(svg, "text", { x: 4, y: TOP - 3 }, short(most));
  shape(svg, "text", { x: 4, y: HEIGHT - 4 }, "0");
  shape(svg, "text", { x: WIDTH - 4, y: HEIGHT - 4, "text-anchor": "end" },
        time(end));
  shape(svg, "path", { class: "stroke" + which, d: "M" + points.map(
    (p) => x(p[0]).toFixed(1) + " " + y(p[1]).toFixed(1)).join("L") });
  const dot = shape(svg, "circle", { r: 3, cx: -9, cy: 0,
                                     class: "fill" + which });
  const tell = (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width * WIDTH - 4) /
      (WIDTH - 8) * end;
    const nearest = points.reduce((best, p) =>
      Math.abs(p[0] - at) < Math.abs(best[0] - at) ? p : best);
    dot.setAttribute("cx", x(nearest[0]));
    dot.setAttribute("cy", y(nearest[1]));
    says.textContent = `${short(nearest[1])} at ${time(nearest[0])}`;
  };
  svg.addEventListener("pointermove", tell);
  svg.addEventListener("click", tell);
}

if (run.timeline.ns.length > 2) {
  $("timeline-part").hidden = false;
  series.forEach(drawLine);
}

// ---- Addresses ----------------------------------------------------------

// From little to much, in the colours of the theme.
function heat(part) {
  return part > 0 ? "color-mix(in oklch, var(--cold), var(--hot) " +
    `${Math.round(100 * part)}%)` : "";
}

const logarithm = (n, most) => n > 0 ? Math.log1p(n) / Math.log1p(most) : 0;

function sizes(list) {
  return list.map((n, log2) => n ? `${1 << log2} B ${count(n)}` : "")
    .filter((text) => text).join(", ") || "none";
}

function tellRegion(region) {
  const took = region.latency;
  $("region-says").textContent = `${region.name}, ${region.first} to ` +
    `${region.last}: reads ${sizes(region.read_sizes)}; writes ` +
    `${sizes(region.write_sizes)}` + (took ? `; p50 ${time(took.p50_ns)}, ` +
    `p99 ${time(took.p99_ns)}, max ${time(took.max_ns)}` : "");
}

function drawRegions() {
  const total = (region) => region.reads + region.writes;
  const most = Math.max(...run.regions.map(total));
  for (const region of run.regions) {
    const item = element($("regions"), "li");
    const button = element(item, "button", { "data-region": region.name });
    const name = element(button, "em", {}, region.name + " ");
    element(name, "small", {}, region.first);
    const bar = element(button, "i");
    const part = logarithm(total(region), most);
    bar.style.width = 100 * part + "%";
    bar.style.background = heat(part);
    element(button, "b", {}, total(region) ? short(total(region)) : "-");
    button.addEventListener("click", () => tellRegion(region));
  }
}

const CELLS = 512;
const PAGE = 4096;
const ways = { reads: (p) => p[1], writes: (p) => p[2],
               instructions: (p) => p[3] };
const map = { way: "reads", first: 0, pages: 0, whole: null };

function cellsOf(first, pages, per) {
  const cells = Array.from({ length: Math.ceil(pages / per) }, () =>
    ({ touched: 0, reads: 0, writes: 0, instructions: 0 }));
  for (const page of map.pagesSeen) {
    const at = Math.floor((page.number - first) / per);
    if (page.number >= first && at < cells.length) {
      const cell = cells[at];
      cell.touched++;
      for (const way of Object.keys(ways)) {
        cell[way] += page[way];
      }
    }
  }
  return cells;
}

const hex = (n) => "0x" + n.toString(16);

function tellCell(cell, first, per) {
  $("map-says").textContent = `${hex(map.base + first * PAGE)}, ${per} ` +
    `page${per > 1 ? "s" : ""}, ${cell.touched} touched: ` +
    `${count(cell.reads)} reads, ${count(cell.writes)} writes, ` +
    `${count(cell.instructions)} instructions`;
}

// What some colours stand for.
function drawScale(most) {
  const unit = map.way === "instructions" ? "fetches" : map.way;
  $("map-scale").textContent = "";
  for (const part of most ? [0.2, 0.4, 0.6, 0.8, 1] : []) {
    const label = element($("map-scale"), "span");
    element(label, "i").style.background = heat(part);
    label.append(short(Math.round(Math.expm1(part * Math.log1p(most)))) +
                 (part === 1 ? ` ${unit} a cell` : ""));
  }
}

function drawMap() {
  const per = Math.max(1, Math.ceil(map.pages / CELLS));
  const cells = cellsOf(map.first, map.pages, per);
  const most = Math.max(...cells.map((cell) => cell[map.way]));
  $("map").textContent = "";
  cells.forEach((cell, i) => {
    const first = map.first + i * per;
    const button = element($("map"), "button", {
      "data-first": hex(map.base + first * PAGE),
      "aria-label": hex(map.base + first * PAGE) });
    button.style.background = heat(logarithm(cell[map.way], most));
    button.addEventListener("pointerover", () => tellCell(cell, first, per));
    button.addEventListener("click", () => {
      if (per > 1) {
        map.first = first;
        map.pages = Math.min(per, map.whole - first);
        drawMap();
      }
      tellCell(cell, first, per);
    });
  });
  drawScale(most);
  $("map-says").textContent = `${hex(map.base + map.first * PAGE)} to ` +
    `${hex(map.base + (map.first + map.pages) * PAGE - 1)}, ` +
    `${per * PAGE / 1024} KiB a cell`;
  for (const button of document.querySelectorAll("[data-way]")) {
    button.setAttribute("aria-pressed", button.dataset.way === map.way);
  }
}

function startMap() {
  const region = run.regions.find((r) => r.ram &&
    BigInt(r.first) <= BigInt(run.pages[0][0]) &&
    BigInt(run.pages[0][0]) <= BigInt(r.last));
  map.base = Number(region.first);
  map.whole = (Number(region.last) + 1 - map.base) / PAGE;
  map.pages = map.whole;
  map.pagesSeen = run.pages.map((p) => ({
    number: (Number(p[0]) - map.base) / PAGE,
    reads: p[1], writes: p[2], instructions: p[3] }));
  $("map-part").hidden = false;
  for (const button of document.querySelectorAll("[data-way]")) {
    button.addEventListener("click", () => {
      map.way = button.dataset.way;
      drawMap();
    });
  }
  $("map-reset").addEventListener("click", () => {
    map.first = 0;
    map.pages = map.whole;
    drawMap();
  });
  drawMap();
}

if (report.measured.includes("counts")) {
  $("regions-part").hidden = false;
  drawRegions();
}
if (run.pages.length) {
  startMap();
}

// ---- Latency ------------------------------------------------------------

function drawLatency(into, region, which) {
  const took = region.latency;
  const first = Math.log2(Math.max(1, took.histogram[0][0]));
  const last = Math.log2(took.max_ns + 1) + 0.3;
  const most = Math.max(...took.histogram.map((c) => c[1]));
  const x = (ns) => 4 + (WIDTH - 8) * (Math.log2(Math.max(1, ns)) - first) /
    (last - first);
  const figure = element(into, "figure", { "data-plot": region.name,
    "data-points": took.histogram.length });
  element(element(figure, "figcaption", {},
                  `${region.name} at ${region.first}`), "span", {},
    `${count(took.count)} accesses, p50 ${time(took.p50_ns)}, ` +
    `p99 ${time(took.p99_ns)}, max ${time(took.max_ns)}`);
  const svg = shape(figure, "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img", "aria-label": "latency of " + region.name });
  const says = element(figure, "output", {}, " ");
  shape(svg, "line", { x1: 4, x2: WIDTH - 4, y1: BASE, y2: BASE });
  for (const [ns, n] of took.histogram) {
    const height = Math.max(2, (BASE - TOP) * logarithm(n, most));
    const bar = shape(svg, "rect", { x: x(ns).toFixed(1),
      y: (BASE - height).toFixed(1), height: height.toFixed(1),
      width: Math.max(2.5, x(ns * 1.12) - x(ns) - 0.5).toFixed(1),
      class: "fill" + which % 5 });
    const tell = () => {
      says.textContent = `${count(n)} accesses of about ${time(ns)}`;
    };
    bar.addEventListener("pointerover", tell);
    bar.addEventListener("click", tell);
  }
  shape(svg, "text", { x: 4, y: HEIGHT - 4 }, time(took.histogram[0][0]));
  shape(svg, "text", { x: WIDTH - 4, y: HEIGHT - 4, "text-anchor": "end" },
        time(took.max_ns));
}

const PLOTS = 6; // that are shown at once

const timed = run.regions.filter((region) => region.latency).sort(
  (a, b) => b.latency.sum_ns - a.latency.sum_ns);
if (timed.length) {
  $("latency-part").hidden = false;
  timed.slice(0, PLOTS).forEach((region, i) =>
    drawLatency($("latency"), region, i));
  timed.slice(PLOTS).forEach((region, i) =>
    drawLatency($("latency-more"), region, PLOTS + i));
  $("latency-rest").hidden = timed.length <= PLOTS;
  $("latency-count").textContent = `${timed.length - PLOTS} more, in which ` +
    "less time was spent";
}

// ---- Theme --------------------------------------------------------------

// The system's choice holds until the button is pressed.
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
