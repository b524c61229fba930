// Every shard of a dataset as a small square, on a canvas so that ten thousand cost nothing.

import { fill, h } from "./dom.js";
import { count } from "./format.js";

const GAP = 3;

export class ShardGrid {
  constructor(target) {
    this.canvas = h("canvas", { role: "img" });
    this.text = h("p", { class: "quiet" });
    this.frame = h("div", { class: "shardgrid" }, this.canvas);
    fill(target, this.frame, this.text);
    this.dataset = null;
    this.observer = new ResizeObserver(() => requestAnimationFrame(() => this.draw()));
    this.observer.observe(this.frame);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => this.draw();
    this.theme = new MutationObserver(this.redraw);
    this.theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.scheme.addEventListener("change", this.redraw);
  }

  destroy() {
    this.observer.disconnect();
    this.theme.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
  }

  set(dataset) {
    this.dataset = dataset;
    const open = (dataset.shards ?? 0) - dataset.committed - dataset.failed_shards.length;
    const aside = dataset.failed_shards.length;
    const words = [`${count(dataset.committed)} committed`, `${count(Math.max(0, open))} open`];
    if (aside) words.push(`${count(aside)} set aside (${dataset.failed_shards.slice(0, 10).join(", ")}${aside > 10 ? ", …" : ""})`);
    this.text.textContent = dataset.shards ? words.join(" · ") : "The number of shards is not known yet.";
    this.canvas.setAttribute("aria-label", `Shards by number: ${words.join(", ")}`);
    this.draw();
  }

  draw() {
    const total = this.dataset?.shards ?? 0;
    const width = this.frame.clientWidth;
    if (!total || !width) return;
    const pitch = Math.max(4, Math.min(30, Math.floor(Math.sqrt((width * 200) / total))));
    const columns = Math.max(1, Math.floor((width + GAP) / pitch));
    const height = Math.ceil(total / columns) * pitch;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const style = getComputedStyle(document.documentElement);
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const side = pitch > 8 ? pitch - GAP : pitch - 1;
    const cell = (shard, colour) => {
      pen.fillStyle = colour;
      pen.fillRect((shard % columns) * pitch, Math.floor(shard / columns) * pitch, side, side);
    };
    const [open, done, aside] = ["empty", "c1", "bad"].map((name) => style.getPropertyValue(`--${name}`));
    for (let shard = 0; shard < total; shard += 1) cell(shard, open);
    for (const [first, last] of this.dataset.committed_ranges) {
      for (let shard = first; shard <= last && shard < total; shard += 1) cell(shard, done);
    }
    for (const shard of this.dataset.failed_shards) cell(shard, aside);
  }
}
