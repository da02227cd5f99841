// JSON as text: finds one member of a document, lays it out, takes its white space away. Never parses a number:
// 12345678901234567890 and 1.0 stay what they are. Pure.

const QUOTE = 34,
  BACKSLASH = 92,
  COMMA = 44,
  COLON = 58;
const OPEN = new Set([91, 123]),
  CLOSE = new Set([93, 125]),
  SPACE = new Set([32, 9, 10, 13]);

/** The text of the member `name` of the object that `text` is; null when there is none. */
export function rawField(text, name) {
  let at = text.indexOf("{") + 1;
  while (at > 0) {
    const key = text.indexOf('"', at);
    if (key < 0) return null;
    const keyEnd = stringEnd(text, key);
    const from = text.indexOf(":", keyEnd) + 1;
    const to = valueEnd(text, from);
    if (JSON.parse(text.slice(key, keyEnd)) === name) return text.slice(from, to).trim();
    at = text.charCodeAt(to) === COMMA ? to + 1 : 0;
  }
  return null;
}

/** Where the string that opens at `at` is over. */
function stringEnd(text, at) {
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at + 1;
  }
}

/** The comma or bracket behind the value that begins at `at`. */
function valueEnd(text, at) {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const sign = text.charCodeAt(i);
    if (sign === QUOTE) i = stringEnd(text, i) - 1;
    else if (OPEN.has(sign)) depth++;
    else if (CLOSE.has(sign) && depth-- === 0) return i;
    else if (sign === COMMA && depth === 0) return i;
  }
  return text.length;
}

/** One piece after the other: a string, a sign, or a bare word; white space is left out. */
function* pieces(text) {
  for (let i = 0; i < text.length;) {
    const sign = text.charCodeAt(i);
    const end = sign === QUOTE ? stringEnd(text, i) : isSign(sign) ? i + 1 : wordEnd(text, i);
    if (!SPACE.has(sign)) yield text.slice(i, end);
    i = SPACE.has(sign) ? i + 1 : end;
  }
}

function isSign(sign) {
  return OPEN.has(sign) || CLOSE.has(sign) || sign === COMMA || sign === COLON || SPACE.has(sign);
}

function wordEnd(text, at) {
  let end = at + 1;
  while (end < text.length && text.charCodeAt(end) !== QUOTE && !isSign(text.charCodeAt(end))) end++;
  return end;
}

/** Laid out by two spaces a level; no more than about `limit` characters. */
export function indented(text, limit = Infinity) {
  const parts = [];
  let [depth, length, before] = [0, 0, ""];
  const put = (piece) => {
    parts.push(piece);
    length += piece.length;
  };
  for (const piece of pieces(text)) {
    if (piece === "}" || piece === "]") {
      depth--;
      if (before !== "{" && before !== "[") put(line(depth));
    } else if (before === "{" || before === "[" || before === ",") put(line(depth));
    put(piece === ":" ? ": " : piece);
    if (piece === "{" || piece === "[") depth++;
    before = piece;
    if (length > limit) break;
  }
  return parts.join("");
}

function line(depth) {
  return `\n${"  ".repeat(Math.min(depth, 100))}`;
}

/** Without any white space between its parts. */
export function compact(text) {
  return [...pieces(text)].join("");
}
