// Numbers, spans of time, sizes and foreign text as a person reads them. Pure.

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const NONE = "–";

/** `12,345`; a dash for what is not known (yet). */
export function count(number) {
  return number === null || number === undefined || number < 0 ? NONE : WHOLE.format(number);
}

/** Messages a second: few with a decimal, many without. */
export function rate(number) {
  if (!number) return "0";
  return number < 10 ? number.toFixed(1) : WHOLE.format(number);
}

/** For an axis: `1.2k`, `3M`. */
export function short(number) {
  for (const [size, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (Math.abs(number) >= size) return `${+(number / size).toFixed(1)}${unit}`;
  }
  return `${+number.toFixed(2)}`;
}

/** The length of a call: `312 µs`, `12.3 ms`, `4.2 s`. */
export function duration(seconds) {
  if (!(seconds > 0)) return NONE;
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
  return span(seconds);
}

/** How long: `4.2 s`, `3 m 12 s`, `4 h 05 m`, `3 d 04 h`; two units, no more. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || seconds < 0) return NONE;
  if (seconds < 0.05) return "0 s";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} m`;
  return `${WHOLE.format(Math.floor(s / 86400))} d ${two(Math.floor((s % 86400) / 3600))} h`;
}

function two(number) {
  return String(number).padStart(2, "0");
}

/** `512 B`, `48.2 MiB`. */
export function bytes(number) {
  if (!(number > 0)) return number === 0 ? "0 B" : NONE;
  let [size, unit] = [number, "B"];
  for (const next of ["KiB", "MiB", "GiB"]) {
    if (size < 1024) break;
    [size, unit] = [size / 1024, next];
  }
  return `${size < 100 && unit !== "B" ? size.toFixed(1) : Math.round(size)} ${unit}`;
}

/** `1 message`, `2 messages`. */
export function messages(number) {
  return number === 1 ? "1 message" : `${count(number)} messages`;
}

/** A moment of the API as a person reads it: `2026-01-31 12:00:00`, UTC as in the logs. */
export function moment(iso) {
  return iso ? iso.slice(0, 19).replace("T", " ") : NONE;
}

/** Milliseconds since 1970 in the same way. */
export function momentOf(ms) {
  const date = new Date(ms);
  return ms > 0 && !Number.isNaN(date.getTime()) ? moment(date.toISOString()) : NONE;
}

// What would act on the page or hide on it: controls, zero-width, direction marks, line separators.
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const LINE_ENDS = { "\t": "\\t", "\n": "\\n" };

/** The text with everything unseen spelled out, as the command line does; line ends and tabs stay. */
export function visible(text) {
  return text.replace(UNSEEN, spelled);
}

/** The same on one line. */
export function visibleLine(text) {
  return visible(text).replace(/[\t\n]/g, (sign) => LINE_ENDS[sign]);
}

function spelled(sign) {
  const code = sign.codePointAt(0);
  if (sign === "\r") return "\\r";
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** A key or header: text, bytes as base64, or nothing. */
export function shownBytes(content) {
  if (content === null || content === undefined) return NONE;
  return visibleLine(typeof content === "string" ? content : `base64 ${content.base64}`);
}
