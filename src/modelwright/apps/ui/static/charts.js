// Draws the charts: figures with data-chart name where their numbers are. Colours are the page's.
"use strict";

let took = 0; // ms, the longest fetch
const figures = [...document.querySelectorAll("figure[data-chart]")];

function colours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "back", "accent", "warn", "good"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function number(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);
}

function axis(given, c, across) {
  return {
    type: given.type === "count" ? "value" : given.type,
    minInterval: given.type === "count" ? 1 : 0,
    name: given.name,
    nameLocation: "middle",
    nameGap: across ? 28 : 54,
    scale: true,
    inverse: !across && given.type === "category",
    nameTextStyle: { color: c.soft },
    axisLabel: { color: c.soft, hideOverlap: true, formatter: given.type === "category" ? undefined : number },
    axisLine: { show: across, lineStyle: { color: c.line } },
    axisTick: { show: false },
    splitLine: { show: !across, lineStyle: { color: c.line } },
    minorSplitLine: { show: false },
  };
}

function series(one, c) {
  const line = ["line", "other", "pale", "steps"].includes(one.look);
  const looks = {
    points: { symbolSize: 6, itemStyle: { color: c.soft, opacity: 0.45 } },
    front: { symbolSize: 9, itemStyle: { color: c.accent } },
    best: { symbolSize: 18, itemStyle: { color: "transparent", borderColor: c.warn, borderWidth: 2.5 } },
    line: { lineStyle: { color: c.accent, width: 2.2 }, itemStyle: { color: c.accent } },
    other: { lineStyle: { color: c.warn, width: 2.2, type: "dashed" }, itemStyle: { color: c.warn } },
    steps: { step: "end", lineStyle: { color: c.accent, width: 2.2 }, itemStyle: { color: c.accent } },
    pale: { lineStyle: { color: c.soft, width: 1.2, opacity: 0.5 }, itemStyle: { color: c.soft } },
    bars: { itemStyle: { color: c.accent }, barMaxWidth: 18 },
  };
  return {
    name: one.name,
    type: one.look === "bars" ? "bar" : line ? "line" : "scatter",
    showSymbol: false,
    z: one.look === "best" ? 5 : one.look === "front" || one.look === "line" ? 4 : 2,
    data: one.points.map((p) => ({ name: p[2] || one.name, value: [p[0], p[1]] })),
    ...looks[one.look],
  };
}

// Bars lie: names read from left to right.
function options(chart, c) {
  const lying = chart.x.type === "category";
  const drawn = chart.series.map((one) => series(one, c));
  if (lying) for (const one of drawn) one.data = one.data.map((d) => ({ name: d.name, value: [d.value[1], d.value[0]] }));
  const named = drawn.filter((one) => one.type !== "bar" && !chart.series.some((s) => s.look === "pale"));
  return {
    animation: false,
    textStyle: { fontFamily: "system-ui, sans-serif" },
    grid: { left: lying ? 110 : 72, right: 16, top: named.length > 1 ? 34 : 12, bottom: 44 },
    legend: { show: named.length > 1, top: 0, left: "center", itemWidth: 14, itemHeight: 9, textStyle: { color: c.soft } },
    tooltip: {
      trigger: "item",
      renderMode: "richText",
      confine: true,
      backgroundColor: c.back,
      borderColor: c.soft,
      textStyle: { color: c.ink, fontSize: 12 },
      formatter: (p) => `${p.name}\n${chart.x.name}: ${number(p.value[lying ? 1 : 0])}\n${chart.y.name}: ${number(p.value[lying ? 0 : 1])}`,
    },
    xAxis: axis(lying ? chart.y : chart.x, c, true),
    yAxis: { ...axis(lying ? chart.x : chart.y, c, false), name: lying ? "" : chart.y.name },
    series: drawn,
  };
}

// The table under a chart, made when it is opened: the same numbers.
function fill(figure, table) {
  const place = figure.querySelector("[data-table]");
  const drawn = document.createElement("table");
  const head = drawn.createTHead().insertRow();
  for (const name of table.columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    head.append(cell);
  }
  const body = drawn.createTBody();
  for (const row of table.rows) {
    const line = body.insertRow();
    for (const value of row) {
      const cell = line.insertCell();
      cell.textContent = number(value);
      if (typeof value === "number") cell.className = "n";
    }
  }
  place.replaceChildren(drawn);
}

async function draw(figure) {
  const began = performance.now();
  const answer = await fetch(figure.dataset.chart, { credentials: "same-origin" });
  if (!answer.ok) return;
  figure.chart = await answer.json();
  took = Math.max(took, performance.now() - began);
  const plot = figure.querySelector(".plot");
  const empty = figure.chart.series.length === 0;
  figure.querySelector("[data-empty]").hidden = !empty;
  plot.hidden = empty;
  figure.querySelector("details").hidden = empty;
  if (empty) return;
  plot.setAttribute("aria-label", `${figure.chart.title}; the numbers are in the table below`);
  paint(figure);
  const details = figure.querySelector("details");
  if (details.open) fill(figure, figure.chart.table);
  details.ontoggle = () => details.open && fill(figure, figure.chart.table);
}

function paint(figure) {
  const plot = figure.querySelector(".plot");
  const known = echarts.getInstanceByDom(plot) || echarts.init(plot);
  known.setOption(options(figure.chart, colours()), true);
}

for (const figure of figures) draw(figure);
window.addEventListener("resize", () => {
  for (const figure of figures) echarts.getInstanceByDom(figure.querySelector(".plot"))?.resize();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const figure of figures) if (figure.chart?.series.length) paint(figure);
});

// A search can change many times a second; the pictures follow every few seconds, and more slowly
// where their numbers take the server long.
let waiting = null;
document.addEventListener("changed", (event) => {
  if (waiting || !event.detail.includes("leaderboard")) return;
  waiting = setTimeout(() => {
    waiting = null;
    for (const figure of figures) draw(figure);
  }, Math.max(3000, 50 * took));
});
