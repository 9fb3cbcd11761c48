# SPDX-License-Identifier: MIT
"""trace.json of a profile: by the rules of Chrome's trace event format, and in
the Performance panel of Chromium's DevTools."""

import json
import math
import os
import shutil
import sys

from guestio import SOURCE_DIR, check, check_equal, need

sys.path.insert(0, os.path.join(SOURCE_DIR, "tests"))
import browser  # noqa: E402

# The members of an event of each phase that we write.
MEMBERS = {"M": {"name", "ph", "pid", "tid", "args"},
           "B": {"name", "ph", "pid", "tid", "ts"},
           "E": {"name", "ph", "pid", "tid", "ts"},
           "C": {"name", "ph", "pid", "ts", "args"}}


def check_event(event):
    check_equal(set(event), MEMBERS[event["ph"]], f"members of {event}")
    check(isinstance(event["name"], str) and event["name"], event)
    check(isinstance(event["pid"], int), event)
    check(isinstance(event.get("tid", 0), int), event)
    check(0 <= event.get("ts", 0) < math.inf, event)
    for value in event.get("args", {"": 0}).values():
        check(isinstance(value, str) if event["ph"] == "M"
              else 0 <= value < math.inf, event)


def slices_of(text):
    """[(name, begin, end)] of the calls in trace.json, in microseconds;
    all else in it is by the rules."""
    trace = json.loads(text)
    check_equal(set(trace), {"displayTimeUnit", "traceEvents"}, "members")
    check(trace["displayTimeUnit"] in ("ms", "ns"), trace["displayTimeUnit"])
    found, stack, last = [], [], {}
    for event in trace["traceEvents"]:
        check_event(event)
        if event["ph"] == "M":
            continue
        # Each track goes on in time; a counter has one value at a time.
        counts = event["ph"] == "C"
        track = event["name"] if counts else ("thread", event["tid"])
        before = last.get(track, -1)
        check(before < event["ts"] if counts else before <= event["ts"], event)
        last[track] = event["ts"]
        if event["ph"] == "B":
            stack.append(event)
        elif event["ph"] == "E":
            began = stack.pop()
            check_equal(event["name"], began["name"], "what ends")
            found.append((event["name"], began["ts"], event["ts"]))
    check_equal(stack, [], "what is left open")
    return found


# What the panel makes its tracks of.
PARSE = """(async () => {
  const { TraceModel } = await import("./models/trace/trace.js");
  const model = TraceModel.Model.createWithAllHandlers();
  const trace = JSON.parse(TEXT);
  await model.parse(trace.traceEvents, { metadata: {} });
  const found = [];
  for (const process of
       model.parsedTrace(0).data.Renderer.processes.values()) {
    for (const thread of process.threads.values()) {
      for (const entry of thread.entries) {
        found.push([thread.name, entry.name, entry.ts, entry.dur]);
      }
    }
  }
  return found;
})()"""


def open_in_devtools(text):
    """[(name, begin, end)] as DevTools found them in trace.json."""
    need(shutil.which("chromium"), "no chromium")
    with browser.Page("chromium",
                      "devtools://devtools/bundled/devtools_app.html") as page:
        try:
            known = page.evaluate('import("./models/trace/trace.js").then('
                                  '(all) => typeof all.TraceModel.Model'
                                  '.createWithAllHandlers)')
        except browser.Refused as refused:
            known = str(refused)
        need(known == "function", f"other DevTools than ours: {known}")
        found = page.evaluate(PARSE.replace("TEXT", json.dumps(text)))
    check_equal({thread for thread, *_ in found}, {"hart 0"}, "threads")
    return [(name, begin, begin + took) for _, name, begin, took in found]


def check_in_devtools(text, hottest):
    """DevTools have the calls of trace.json, @hottest among them, each with
    its time."""
    wanted = sorted(slices_of(text))
    found = sorted(open_in_devtools(text))
    check(hottest in [name for name, *_ in found], f"{hottest} in {found}")
    check_equal([call[:2] for call in found], [call[:2] for call in wanted],
                "calls")
    for (_, _, end), call in zip(found, wanted):
        check(abs(end - call[2]) < 0.01, f"{call} ends at {end}")
