// Line charts on uPlot: colours from the style sheet, a legend that reads the values under the pointer, bands.

import uPlot from "./vendor/uPlot.esm.js";
import { fill, h } from "./dom.js";
import { clock, figure, short } from "./format.js";

const charts = new Set();

const drawn = new Set();

export function redrawAll() {
  for (const chart of charts) chart.build();
  for (const draw of drawn) draw();
}

/** Call `draw` when the theme changes; returns what ends that. */
export function onTheme(draw) {
  drawn.add(draw);
  return () => drawn.delete(draw);
}

function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function quoted(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/**
 * One chart.
 *   label: what it shows, for screen readers; height: pixels.
 *   x: {kind: "step" | "time" | "bins", label}
 *   y: {label, log, from, to, format}
 * `set(x, series)`: series is [{label, values, colour, dash, width, low, high, bare}], x numbers, or bin labels for "bins".
 */
export class Chart {
  constructor(target, { label, height = 240, x = {}, y = {} }) {
    this.options = { height, x: { kind: "step", ...x }, y: { format: figure, ...y } };
    this.plotArea = h("div", { class: "plot", role: "img", "aria-label": label });
    this.legend = h("ul", { class: "legend" });
    this.nothing = h("p", { class: "quiet" }, "Nothing to draw yet.");
    this.label = label;
    const button = (kind) => h("button", { type: "button", "aria-label": `${kind} of: ${label}`,
      onclick: () => this.save(kind) }, kind);
    this.saves = h("p", { class: "saves" }, button("CSV"), button("JSON"));
    this.element = fill(target, h("div", { class: "over" }, this.legend, this.saves), this.plotArea, this.nothing);
    this.plot = null;
    this.x = [];
    this.series = [];
    this.hidden = new Set();
    this.shape = "";
    this.observer = new ResizeObserver(() => requestAnimationFrame(() => this.resize()));
    this.observer.observe(this.plotArea);
    charts.add(this);
  }

  /** What is drawn, a column a line; bands as low and high. */
  columns() {
    const columns = [[this.options.x.label || this.options.x.kind, this.x]];
    for (const { label, values, low, high } of this.series) {
      columns.push([label, values]);
      if (low) columns.push([`${label}, low`, low], [`${label}, high`, high]);
    }
    return columns;
  }

  save(kind) {
    const columns = this.columns();
    const name = this.label.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);
    if (kind === "JSON") save(`${name}.json`, "application/json", JSON.stringify(Object.fromEntries(columns), null, 1));
    else {
      const lines = [columns.map(([title]) => title), ...this.x.map((_, row) => columns.map(([, values]) => values[row]))];
      save(`${name}.csv`, "text/csv", lines.map((line) => line.map(quoted).join(",")).join("\n") + "\n");
    }
  }

  destroy() {
    charts.delete(this);
    this.observer.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  set(x, series) {
    this.x = x;
    this.series = series;
    const shape = JSON.stringify(series.map(({ label, colour: c, low }) => [label, c, Boolean(low)]));
    const bins = this.options.x.kind === "bins" ? x.join() : "";
    if (this.plot && shape + bins === this.shape) {
      this.plot.setData(this.data());
      this.readOut(null);
      return;
    }
    this.shape = shape + bins;
    this.build();
  }

  data() {
    const axis = this.options.x.kind === "bins" ? this.x.map((_, index) => index) : this.x;
    const columns = [axis];
    for (const { values, low, high } of this.series) {
      columns.push(values);
      if (low) columns.push(high, low);
    }
    return columns;
  }

  build() {
    this.plot?.destroy();
    this.plot = null;
    const drawable = this.x.length > 0 && this.series.length > 0;
    this.nothing.hidden = drawable;
    this.plotArea.hidden = !drawable;
    this.saves.hidden = !drawable;
    this.buildLegend();
    if (!drawable || !this.plotArea.isConnected) return;
    this.plot = new uPlot(this.plotOptions(), this.data(), this.plotArea);
    this.readOut(null);
  }

  resize() {
    const width = Math.floor(this.plotArea.clientWidth);
    if (!width) return;
    if (!this.plot) this.build();
    else if (width !== this.plot.width) this.plot.setSize({ width, height: this.options.height });
  }

  plotOptions() {
    const series = [{}];
    const bands = [];
    for (const { label, colour: name, dash, width = 1.75, low, values, bare } of this.series) {
      const stroke = colour(name);
      const show = !this.hidden.has(label);
      const known = values.filter((value) => value !== null).length;
      const points = { show: (known < 30 && !bare) || width === 0, size: 5, fill: stroke };
      series.push({ label, stroke, width, dash, points, show, spanGaps: true });
      if (!low) continue;
      const edge = { stroke: "transparent", width: 0, points: { show: false }, show, spanGaps: true };
      series.push(edge, { ...edge });
      bands.push({ series: [series.length - 2, series.length - 1], fill: colour(`${name}-band`) || "transparent" });
    }
    return {
      width: Math.max(120, Math.floor(this.plotArea.clientWidth)),
      height: this.options.height,
      series,
      bands,
      legend: { show: false },
      scales: this.scales(),
      axes: this.axes(),
      cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { size: 7 } },
      hooks: { setCursor: [(plot) => this.readOut(plot.cursor.idx ?? null)] },
      padding: [8, 12, 0, 0],
    };
  }

  scales() {
    const { x, y } = this.options;
    const ends = this.x.length - 1;
    return {
      x: x.kind === "bins" ? { time: false, range: [-0.35, ends + 0.35] }
        : { time: x.kind === "time", range: () => this.reach() },
      y: {
        distr: y.log ? 3 : 1,
        range: y.log ? undefined : (_, low, high) => {
          const [from, to] = [Math.min(low ?? 0, y.from ?? Infinity), Math.max(high ?? 1, y.to ?? -Infinity)];
          const margin = (to - from || Math.abs(to) || 1) * 0.06;
          return [from === y.from ? from : from - margin, to + margin];
        },
      },
    };
  }

  /** First and last of x; around a lone one some room. */
  reach() {
    const [low, high] = [this.x[0], this.x.at(-1)];
    return low === high ? [low - 30, high + 30] : [low, high];
  }

  axes() {
    const { x, y } = this.options;
    const common = { stroke: colour("quiet"), font: "12px system-ui, sans-serif", ticks: { show: false } };
    const horizontal = {
      ...common, grid: { show: x.kind !== "bins", stroke: colour("grid"), width: 1 }, size: 26,
      label: x.label, labelSize: 20, labelGap: 0, labelFont: "12px system-ui, sans-serif", space: 72,
    };
    if (x.kind === "bins") {
      horizontal.splits = () => this.x.map((_, index) => index);
      horizontal.values = () => this.thinLabels();
    } else {
      horizontal.values = (_, splits) => splits.map(x.kind === "time" ? momentFormat(splits) : whole);
    }
    return [horizontal, {
      ...common, grid: { stroke: colour("grid"), width: 1 }, size: 52, space: 36,
      values: (_, splits) => splits.map((value) => (value === null ? "" : (y.axis || plainNumber)(value))),
    }];
  }

  /** Bin labels, every second one (or fewer) where they would run into each other. */
  thinLabels() {
    const room = Math.max(1, (this.plotArea.clientWidth - 60) / this.x.length);
    const widest = Math.max(...this.x.map((label) => label.length)) * 7 + 6;
    const every = Math.ceil(widest / room);
    return this.x.map((label, index) => (index % every === 0 ? label : ""));
  }

  buildLegend() {
    this.readers = [];
    fill(this.legend, this.series.map(({ label, colour: name, dash, width }) => {
      const value = h("span", { class: "value" });
      this.readers.push(value);
      const key = h("span", { class: width === 0 ? "key dot" : dash ? "key dashed" : "key", "aria-hidden": "true" });
      key.style.color = `var(--${name})`;
      const toggle = h("button", { type: "button", "aria-pressed": !this.hidden.has(label) ? "true" : "false" }, key,
        h("span", {}, label), value);
      toggle.addEventListener("click", () => {
        if (!this.hidden.delete(label)) this.hidden.add(label);
        this.build();
      });
      return h("li", {}, toggle);
    }));
    this.at = h("li", { class: "at" });
    this.legend.append(this.at);
  }

  /** Show the values at an index of x; without one, the newest. */
  readOut(index) {
    const { x, y } = this.options;
    this.series.forEach(({ values }, row) => {
      let at = index;
      if (at === null) for (at = values.length - 1; at > 0 && values[at] === null; at -= 1);
      this.readers[row].textContent = y.format(values[at]);
    });
    const shown = index ?? this.x.length - 1;
    const place = this.x[shown];
    if (place === undefined) return;
    const text = x.kind === "time" ? clock(place) : x.kind === "bins" ? place : Math.round(place).toLocaleString("en-US");
    this.at.textContent = x.kind === "time" ? text : `${x.unit || "step"} ${text}`;
  }
}

/** How to write the moments of a time axis: as fine as they lie apart, in the reader's zone. */
function momentFormat(splits) {
  const apart = splits.length > 1 ? splits[1] - splits[0] : 60;
  const options = apart >= 86400 ? { month: "short", day: "numeric" }
    : apart >= 60 ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }
      : { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const format = new Intl.DateTimeFormat(undefined, options);
  return (seconds) => format.format(new Date(seconds * 1000));
}

/** A tick of steps or states: none between two of them. */
function whole(value) {
  return Number.isInteger(value) ? plainNumber(value) : "";
}

function plainNumber(value) {
  return Math.abs(value) >= 10000 ? short(value).replace(/\.0+(?= )/, "") : String(Number(value.toPrecision(4)));
}
