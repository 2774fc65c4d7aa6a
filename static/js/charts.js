/* Paints plotly figures that the server made.
   <figure data-chart='{"data": […], "layout": {…}}'><div class="plot"></div></figure>
   Colours in the figure are token names ("var(--email)"), so the style sheets stay the one source
   of colour. A swap that changes data-chart redraws; a change of theme repaints. */
(() => {
  "use strict";
  const probe = Object.assign(document.createElement("span"), { hidden: true });
  document.documentElement.append(probe);
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
    .getContext("2d", { willReadFrequently: true });
  let known = new Map();

  /* Any CSS colour (OKLCH, light-dark(), color-mix()) as rgba(), which plotly can read. */
  function rgba(colour) {
    if (!known.has(colour)) {
      probe.style.color = "";
      probe.style.color = colour;
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = getComputedStyle(probe).color;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(colour, `rgba(${r},${g},${b},${+(a / 255).toFixed(3)})`);
    }
    return known.get(colour);
  }

  const COLOUR = /^(var\(--|color-mix\(|oklch\()/;
  function paint(value) {
    if (typeof value === "string") return COLOUR.test(value) ? rgba(value) : value;
    if (Array.isArray(value)) return value.map(paint);
    if (!value || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, paint(inner)]));
  }

  const axis = {
    showline: false,
    zeroline: false,
    ticks: "",
    automargin: true,
    fixedrange: true,
    title: { text: "", font: { size: 12 } },
    gridcolor: "var(--line)",
    linecolor: "var(--line-2)",
    tickcolor: "var(--line-2)",
    tickfont: { size: 11.5, color: "var(--ink-3)" },
  };

  const template = () => paint({
    layout: {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: "var(--ink-2)" },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      colorway: ["var(--accent)", "var(--ink)", "var(--sms)", "var(--ios)", "var(--android)", "var(--ink-4)"],
      margin: { l: 8, r: 8, t: 8, b: 0, pad: 6 },
      bargap: 0.32,
      barcornerradius: 2.5,
      showlegend: false,
      xaxis: {
        ...axis,
        showgrid: false,
        showline: true,
        nticks: 8,
        tickformat: "%-d %b",
        hoverformat: "%a %-d %b",
        showspikes: true,
        spikemode: "across",
        spikesnap: "hovered data",
        spikethickness: -2, // negative drops the white halo
        spikedash: "2px,3px",
        spikecolor: "var(--edge)",
      },
      yaxis: { ...axis, showgrid: true, nticks: 5, rangemode: "tozero", tickformat: "~s" },
      hovermode: "x unified",
      hoverdistance: 40,
      hoverlabel: {
        bgcolor: "var(--overlay)",
        bordercolor: "var(--line-2)",
        align: "left",
        font: { size: 12, color: "var(--ink)" },
      },
      coloraxis: {
        colorscale: [[0, "var(--heat-0)"], [0.5, "var(--heat-1)"], [1, "var(--heat-2)"]],
        showscale: false,
      },
      annotationdefaults: { font: { size: 11.5, color: "var(--ink-3)" }, showarrow: false },
      shapedefaults: { line: { color: "var(--edge)", width: 1, dash: "3px,3px" } },
    },
    data: {
      scatter: [{ mode: "lines", line: { width: 2, shape: "spline", smoothing: 0.6 }, marker: { size: 7 } }],
      bar: [{ marker: { line: { width: 0 } } }],
      heatmap: [{ xgap: 2, ygap: 2, showscale: false }],
    },
  });

  const config = { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false };
  const drawn = new WeakMap(); // figure element -> the JSON it shows

  async function draw(figure) {
    const json = figure.dataset.chart;
    const { data, layout } = paint(JSON.parse(json));
    drawn.set(figure, json);
    const look = { ...layout, template: template(), autosize: true };
    await Plotly.react(figure.querySelector(".plot"), data, look, config);
  }

  function drawAll(force) {
    document.querySelectorAll("[data-chart]").forEach((figure) => {
      if (force || drawn.get(figure) !== figure.dataset.chart) draw(figure);
    });
  }

  function repaint() {
    known = new Map();
    drawAll(true);
  }

  document.addEventListener("DOMContentLoaded", () => document.fonts.ready.then(() => drawAll(false)));
  document.addEventListener("htmx:afterSettle", () => drawAll(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  new MutationObserver(repaint)
    .observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
})();
