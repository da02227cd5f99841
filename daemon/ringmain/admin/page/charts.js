// Ten minutes of the past as lines: what was done, what failed, how far behind. Drawn by uPlot (vendor/), whose
// own legend is off: each chart's heading names its lines and says the figure under the pointer, or the last one.

import uPlot from "./vendor/uPlot.esm.js";
import { el, say } from "./dom.js";
import { count, rate, short } from "./format.js";

const KEPT_S = 600,
  LEAST_S = 60;
const HEIGHT = 132;
const MOST_LINES = 6;

const CHARTS = [
  {
    title: "Done",
    unit: "/s",
    text: rate,
    lines: () => ["done"],
    value: (picture, name) => outcome(picture, name),
  },
  {
    title: "Not done",
    unit: "/s",
    text: rate,
    lines: () => ["retry", "dead", "skip", "channel"],
    value: (picture, name) => outcome(picture, name),
  },
  {
    title: "Lag",
    unit: "",
    text: count,
    lines: (picture) => routesOf(picture),
    value: (picture, route) => lag(picture, route),
  },
];

function outcome({ pools }, name) {
  return pools.reduce((sum, pool) => sum + (pool.rates_per_s[name] ?? 0), 0);
}

function routesOf({ pools }) {
  const routes = [...new Set(pools.map(({ route }) => route))];
  return routes.length > MOST_LINES ? ["all"] : routes;
}

function lag({ partitions }, route) {
  return partitions.reduce(
    (sum, one) => sum + (route === "all" || one.route === route ? Math.max(0, one.lag) : 0),
    0,
  );
}

/** All charts of the page, on one clock and one pointer. */
export class Charts {
  #charts;

  constructor(place) {
    place.append(el("link", { rel: "stylesheet", href: "page/vendor/uPlot.min.css" }));
    this.#charts = CHARTS.map((kind) => new Chart(kind, place));
    const widen = new ResizeObserver(() => this.#charts.forEach((chart) => chart.fit()));
    widen.observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
      this.#charts.forEach((chart) => chart.redraw()),
    );
  }

  /** A picture came. */
  show(picture) {
    for (const chart of this.#charts) chart.show(picture);
  }
}

class Chart {
  #kind;
  #place;
  #legend;
  #times = [];
  #values = new Map();
  #plot = null;
  #names = "";
  #figures = new Map();

  constructor(kind, place) {
    this.#kind = kind;
    this.#legend = el("span", { class: "legend" });
    this.#place = el("div", {
      class: "plot",
      role: "img",
      "aria-label": `${kind.title}, the last ten minutes`,
    });
    place.append(
      el(
        "figure",
        { class: "chart" },
        el("figcaption", {}, el("h2", {}, kind.title), this.#legend),
        this.#place,
      ),
    );
  }

  show(picture) {
    const names = this.#kind.lines(picture);
    const now = Date.now() / 1000;
    this.#times.push(now);
    for (const name of names)
      if (!this.#values.has(name)) this.#values.set(name, Array(this.#times.length - 1).fill(null));
    for (const [name, values] of this.#values)
      values.push(names.includes(name) ? this.#kind.value(picture, name) : null);
    while (this.#times[0] < now - KEPT_S) {
      this.#times.shift();
      for (const values of this.#values.values()) values.shift();
    }
    if (names.join() !== this.#names) {
      this.#names = names.join();
      this.redraw();
    } else {
      this.#plot.setData(this.#data());
    }
    this.#tell(this.#times.length - 1);
  }

  fit() {
    const width = this.#place.clientWidth;
    if (width && this.#plot && this.#plot.width !== width) this.#plot.setSize({ width, height: HEIGHT });
  }

  /** Anew: other lines, or other colours. */
  redraw() {
    if (!this.#names) return;
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const names = [...this.#values.keys()];
    this.#figures = new Map(names.map((name) => [name, el("b")]));
    this.#legend.replaceChildren(
      ...names.map((name) => {
        const swatch = el("i");
        swatch.style.setProperty("background", colour(lineColour(name, names)));
        return el("span", {}, swatch, `${name} `, this.#figures.get(name));
      }),
    );
    this.#plot = new uPlot(this.#options(names, colour), this.#data(), this.#place);
  }

  #options(names, colour) {
    const axis = {
      stroke: colour("--dim"),
      font: "11px system-ui",
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: this.#place.clientWidth || 300,
      height: HEIGHT,
      legend: { show: false },
      padding: [6, 16, 0, 0],
      cursor: { sync: { key: "ringmain" }, drag: { setScale: false }, y: false },
      hooks: { setCursor: [(plot) => this.#tell(plot.cursor.idx ?? this.#times.length - 1)] },
      scales: {
        x: { range: () => this.#span() },
        y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] },
      },
      axes: [
        { ...axis, space: 70, size: 22, values: (_, splits) => splits.map(clock) },
        { ...axis, size: 44, space: 26, values: (_, splits) => splits.map(short) },
      ],
      series: [
        {},
        ...names.map((name) => ({
          label: name,
          stroke: colour(lineColour(name, names)),
          width: 1.5,
          points: { show: false },
        })),
      ],
    };
  }

  /** A minute at least, so that the first points do not fly about. */
  #span() {
    const last = this.#times.at(-1);
    return [Math.min(this.#times[0], last - LEAST_S), last];
  }

  #data() {
    return [this.#times, ...this.#values.values()];
  }

  #tell(index) {
    for (const [name, figure] of this.#figures) {
      const value = this.#values.get(name)[index];
      say(
        figure,
        value === null || value === undefined ? "–" : `${this.#kind.text(value)}${this.#kind.unit}`,
      );
    }
  }
}

/** UTC, like every time on the page. */
function clock(seconds) {
  const text = new Date(seconds * 1000).toISOString();
  return seconds % 60 ? text.slice(11, 19) : text.slice(11, 16);
}

/** Outcomes have colours of their own; routes take them in turn. */
function lineColour(name, names) {
  const own = {
    done: "--line-1",
    retry: "--line-3",
    dead: "--line-5",
    skip: "--line-4",
    channel: "--line-2",
  };
  return own[name] ?? `--line-${(names.indexOf(name) % 6) + 1}`;
}
