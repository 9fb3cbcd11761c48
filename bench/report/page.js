// SPDX-License-Identifier: MIT
"use strict";

// What a point says, below its plot: for a pointer that hovers and for a tap.
for (const figure of document.querySelectorAll("figure[data-plot]")) {
  const output = figure.querySelector("output");
  const show = (event) => {
    const tip = event.target.dataset.tip;
    if (tip) {
      output.textContent = tip;
    }
  };
  figure.addEventListener("pointerover", show);
  figure.addEventListener("click", show);
}

// The system's choice holds until the button is pressed.
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
