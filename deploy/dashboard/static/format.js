// Numbers and times as people read them, in the reader's own zone.

const DASH = "–";
let ahead = 0; // seconds the server's clock is ahead of ours

export function setServerTime(seconds) {
  ahead = seconds - Date.now() / 1000;
}

export function now() {
  return Date.now() / 1000 + ahead;
}

export function count(value) {
  return value === null || value === undefined ? DASH : Math.round(value).toLocaleString("en-US");
}

const UNITS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

export function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  for (const [size, unit] of UNITS) {
    if (Math.abs(value) >= size) return `${trim(value / size)} ${unit}`;
  }
  return Number.isInteger(value) ? String(value) : trim(value);
}

function trim(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

export function bytes(value) {
  if (value === null || value === undefined) return DASH;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit ? trim(value) : value} ${units[unit]}`;
}

/** A figure such as a loss or a score. */
export function figure(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const size = Math.abs(value);
  if (size === 0) return "0";
  if ((size < 10 ** -digits || size >= 1e6)) return value.toExponential(2);
  return value.toFixed(digits);
}

/** A normalised score. */
export function score(value) {
  return value === null || value === undefined || !Number.isFinite(value) ? DASH : value.toFixed(2).replace(/^-0\.00$/, "0.00");
}

export function percent(value) {
  if (value === null || value === undefined) return DASH;
  const shown = value * 100;
  return `${shown >= 99.95 || shown === 0 ? shown.toFixed(0) : shown.toFixed(shown < 10 ? 1 : 0)} %`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return DASH;
  seconds = Math.max(0, Math.round(seconds));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function clock(time) {
  if (time === null || time === undefined) return DASH;
  const date = new Date(time * 1000);
  const today = new Date(now() * 1000).toDateString() === date.toDateString();
  const options = today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
  return date.toLocaleString(undefined, options);
}

export function ago(time) {
  const seconds = now() - time;
  return seconds < 2 ? "just now" : `${duration(seconds)} ago`;
}

export function until(time) {
  const seconds = time - now();
  return seconds <= 1 ? "any moment" : `in ${duration(seconds)}`;
}
