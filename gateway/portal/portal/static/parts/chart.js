// Draws the line of units per minute with uPlot, in the colours of the stylesheet, whichever of both is chosen.

/* global uPlot */

const dark = matchMedia("(prefers-color-scheme: dark)");

function colour(name) {
  // A custom property is computed to the text that was written; a colour in use is computed to a colour.
  const probe = document.createElement("span");
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function look(place) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return {
    width: place.clientWidth,
    height: place.clientHeight,
    padding: [12, 28, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 } },
    scales: { x: { range: (_, first, last) => [Math.min(first, last - 60), last] }, y: { range: (_, __, most) => [0, Math.max(5, most * 1.15)] } },
    axes: [
      { ...axis, font, grid: { show: false }, size: 28, space: 80, values: (_, moments) => moments.map(clock) },
      { ...axis, font, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 100000] },
    ],
    series: [{}, { stroke: colour("--accent"), width: 2, fill: colour("--tint"), points: { show: false } }],
  };
}

function clock(moment) {
  return new Date(moment * 1000).toLocaleTimeString("en-GB");
}

export class Chart {
  constructor(place) {
    this.place = place;
    this.data = [[], []];
    this.draw();
    dark.addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.plot.setSize({ width: place.clientWidth, height: place.clientHeight })).observe(place);
  }

  draw() {
    this.plot?.destroy();
    this.plot = new uPlot(look(this.place), this.data, this.place);
  }

  show(data) {
    this.data = data;
    this.plot.setData(data);
  }
}
