"use strict";
// Shows the frames that stand in this page: maps and profiles of all runs at one moment, and how far
// two of them are apart. It asks for nothing from anywhere.
(async () => {
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const [nx, ny = 1] = data.shape;
const flat = data.shape.length === 1;
const cells = nx * ny;
const size = cells * data.planes;
const last = data.moments.length - 1;
const runs = data.runs;
const state = { time: 0, x: nx >> 1, y: ny >> 1, first: 0, second: 0 };

// --- numbers in words ---------------------------------------------------------------------------

const raised = (text) => [...text].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("");
const unsigned = (text) => String(text).replace("-", "−");
function number(value, digits = 3) {
  if (Number.isNaN(value)) return "no number";
  const size = Math.abs(value);
  if (!size) return "0";
  if (size >= 1e-3 && size < 1e6) return unsigned(Number(value.toPrecision(digits)));
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return unsigned(`${Number(mantissa)} × 10`) + raised(exponent.replace("+", ""));
}
const united = (text, unit) => (unit ? `${text} ${unit}` : text);
const named = (text, unit) => (unit ? `${text} (${unit})` : text);
const quantity = (value) => (Number.isNaN(value) ? number(value) : united(number(value), data.unit));
const fromTo = ([low, high]) =>
  Number.isNaN(low) ? "no number here" : `from ${number(low)} to ${quantity(high)}`;
// The least and the largest of some numbers, without what is none.
function around(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return low > high ? [NaN, NaN] : [low, high];
}

// --- frames -------------------------------------------------------------------------------------

async function bytes(id, way) {
  const text = atob($(id).textContent);
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const found = new Uint8Array(await new Response(stream).arrayBuffer());
  const each = found.length / data.moments.length;
  // Bytes wrap round, as they did when the differences were formed.
  if (way === "in time") for (let i = each; i < found.length; i++) found[i] += found[i - each];
  if (way === "along") {
    const line = data.shape[data.shape.length - 1];
    for (let i = 1; i < found.length; i++) if (i % line) found[i] += found[i - 1];
  }
  return found;
}

async function load() {
  for (const [place, run] of runs.entries()) {
    run.levels = await bytes(`frames-${place}`, run.way);
    run.rest = run.fine ? await bytes(`fine-${place}`, run.fine) : null;
    run.differences = run.apart ? await bytes(`apart-${place}`, run.apart) : null;
  }
}

// Between these a scale of colours goes; what is beyond has the colour of its end.
const range = (time) => ($("own").checked ? data.own[time] : data.limits);
const part = (value, [low, high]) =>
  high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5;

// Level 0 says that there is no number; the others go from 1 to 255.
const ends = (run, time) => run.spans[time] || [NaN, NaN];
// A second byte, where there is one, goes from half a step below to half a step above.
const numeric = ([low, high], level, rest = 127.5) =>
  (level ? low + ((high - low) * (level - 1 + rest / 255 - 0.5)) / 254 : NaN);
const at = (run, span, place) => numeric(span, run.levels[place], run.rest ? run.rest[place] : 127.5);

// The value of a run in a cell, the mean over the planes of a picture in colours.
function value(run, time, cell) {
  const span = ends(run, time);
  let sum = 0;
  for (let plane = 0; plane < data.planes; plane++) {
    sum += at(run, span, time * size + plane * cells + cell);
  }
  return sum / data.planes;
}

// --- differences --------------------------------------------------------------------------------

// Kept in full where one of two runs is the reference of the other; then its run and its sign.
function kept(a, b) {
  if (a !== b && runs[a].reference === runs[b].label && runs[a].scales.length) return [runs[a], 1];
  if (a !== b && runs[b].reference === runs[a].label && runs[b].scales.length) return [runs[b], -1];
  return null;
}

function difference(a, b, time) {
  const found = new Float64Array(cells);
  const full = kept(a, b);
  if (full && full[0].differences) {
    const [run, sign] = full;
    const step = run.scales[time] / (data.planes > 1 ? 254 : 127);
    const turned = data.planes > 1 ? 1 : sign;
    const zero = data.planes > 1 ? 1 : 128;
    for (let i = 0; i < cells; i++) {
      const level = run.differences[time * cells + i];
      found[i] = level ? turned * step * (level - zero) : NaN;
    }
  } else if (!full) {
    const [u, v] = [runs[a], runs[b]];
    const [ofU, ofV] = [u, v].map((run) => ends(run, time));
    for (let plane = 0; plane < data.planes; plane++) {
      for (let i = 0; i < cells; i++) {
        const place = time * size + plane * cells + i;
        const apart = at(u, ofU, place) - at(v, ofV, place);
        found[i] += data.planes > 1 ? Math.abs(apart) / data.planes : apart;
      }
    }
  }
  return found;
}

const largest = (values) => values.reduce((most, v) => (Math.abs(v) > most ? Math.abs(v) : most), 0);
const steady = new Map();
function most(a, b, values) {
  if (!$("steady").checked) return largest(values);
  const pair = `${a} ${b}`;
  if (!steady.has(pair)) {
    const all = data.moments.map((_, time) => largest(difference(a, b, time)));
    steady.set(pair, Math.max(...all));
  }
  return steady.get(pair);
}

// --- colours ------------------------------------------------------------------------------------

function table(text) {
  const rgb = atob(text);
  const at = (i) => rgb.charCodeAt(i);
  return Uint32Array.from({ length: 256 }, (_, i) =>
    ((255 << 24) | (at(3 * i + 2) << 16) | (at(3 * i + 1) << 8) | at(3 * i)) >>> 0);
}
const colours = Object.fromEntries(Object.entries(data.colours).map(([k, v]) => [k, table(v)]));
const apartColours = data.planes > 1 ? colours.size : colours.signed;
const grey = Uint32Array.from({ length: 256 }, (_, i) => ((255 << 24) | (i * 0x010101)) >>> 0);
const missing = 0xff9a9a9a; // where there is no number

// What the levels of a frame look like, by where they stand.
function looks(run, time) {
  const span = ends(run, time);
  const chosen = data.planes > 1 ? grey : colours.field;
  const scale = range(time);
  const shade = (value) => (Number.isNaN(value) ? missing : chosen[Math.round(255 * part(value, scale))]);
  if (run.rest) return (place) => shade(at(run, span, place));
  const known = Uint32Array.from({ length: 256 }, (_, level) => shade(numeric(span, level)));
  return (place) => known[run.levels[place]];
}

function paint(canvas, pixels) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  new Uint32Array(image.data.buffer).set(pixels);
  context.putImageData(image, 0, 0);
}

// Cells as pixels: the first axis to the right, the second one upwards.
function picture(of) {
  const pixels = new Uint32Array(cells);
  for (let x = 0; x < nx; x++) for (let y = 0; y < ny; y++) pixels[(ny - 1 - y) * nx + x] = of(x * ny + y);
  return pixels;
}

function pixels(run, time) {
  const look = looks(run, time);
  const first = time * size;
  if (data.planes === 1) return picture((cell) => look(first + cell));
  return picture((cell) => {
    const [red, green, blue] = [0, 1, 2].map((plane) => first + plane * cells + cell);
    if (!(run.levels[red] && run.levels[green] && run.levels[blue])) return missing;
    return ((255 << 24) | (look(blue) & 0xff0000) | (look(green) & 0xff00) | (look(red) & 0xff)) >>> 0;
  });
}

// In one dimension all moments at once, time upwards.
function history(run) {
  const found = new Uint32Array(nx * (last + 1));
  for (let time = 0; time <= last; time++) {
    const look = looks(run, time);
    for (let x = 0; x < nx; x++) found[(last - time) * nx + x] = look(time * nx + x);
  }
  return found;
}

function bar(id, chosen, ends, label) {
  const canvas = $(id).querySelector("canvas");
  paint(canvas, chosen);
  const [low, high] = ends;
  const words = [number(low), named(label, data.unit), number(high)];
  canvas.setAttribute("aria-label", `Colours from ${words[0]} to ${words[2]}, ${words[1]}`);
  $(id).querySelector("p").replaceChildren(...words.map((text) => element("span", {}, text)));
}

// --- parts of the page --------------------------------------------------------------------------

function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}
function drawn(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function map(height) {
  const canvas = element("canvas", { width: nx, height, role: "img", tabindex: 0 });
  canvas.style.aspectRatio = flat ? "4 / 3" : `${1 / data.ratio}`;
  const cross = drawn("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": true });
  cross.append(drawn("path", { class: "solid", d: data.shapes.solid }));
  for (const kind of ["tight", "leaky"]) {
    cross.append(drawn("path", { class: `wall ${kind} wide` }), drawn("path", { class: `wall ${kind}` }));
  }
  cross.append(drawn("line", { y1: 0, y2: 100 }), drawn("line", { x1: 0, x2: 100 }));
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const across = Math.floor((nx * (event.clientX - box.left)) / box.width);
    const down = Math.floor((height * (event.clientY - box.top)) / box.height);
    choose(across, height - 1 - down);
  });
  canvas.addEventListener("keydown", move);
  const box = element("div", { class: "map" }, canvas, cross);
  // A tall map is narrow, so that all of it is on the screen.
  if (!flat) box.style.maxWidth = `${75 / data.ratio}vh`;
  return box;
}

const clamp = (value, most) => Math.min(most, Math.max(0, value));
function choose(x, up) {
  state.x = clamp(x, nx - 1);
  if (flat) show(clamp(up, last));
  else {
    state.y = clamp(up, ny - 1);
    show(state.time);
  }
}

function move(event) {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const way = ways[event.key];
  if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const steps = event.shiftKey ? 10 : 1;
  choose(state.x + steps * way[0], (flat ? state.time : state.y) + steps * way[1]);
}

// Over the maps: the walls of this moment, and where the profiles go through.
function overlays() {
  const across = (100 * (state.x + 0.5)) / nx;
  const up = flat ? (state.time + 0.5) / (last + 1) : (state.y + 0.5) / ny;
  for (const cross of document.querySelectorAll(".map svg")) {
    const [upright, level] = cross.querySelectorAll("line");
    const walls = data.shapes.walls[data.shapes.which[state.time]];
    for (const [kind, d] of [["tight", walls[0]], ["leaky", walls[1]]]) {
      for (const wall of cross.querySelectorAll(`.${kind}`)) wall.setAttribute("d", d);
    }
    for (const end of ["x1", "x2"]) upright.setAttribute(end, across);
    for (const end of ["y1", "y2"]) level.setAttribute(end, 100 * (1 - up));
  }
}

// A power of ten that goes to the name of an axis, so that the numbers at it are short.
function exponent(ends) {
  const found = Math.floor(Math.log10(Math.max(...ends.map(Math.abs))));
  return Number.isFinite(found) && (found < -2 || found >= 4) ? found : 0;
}

// --- plots --------------------------------------------------------------------------------------

const BOX = { left: 62, right: 470, top: 10, bottom: 208 };
function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((s) => s * power >= rough * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(k * step);
  return found;
}

// Where the unbroken pieces of a line begin and end.
function pieces(values) {
  const found = [];
  for (let i = 0, start = 0; i <= values.length; i++) {
    if (i < values.length && !Number.isNaN(values[i])) continue;
    if (i > start) found.push([start, i]);
    start = i + 1;
  }
  return found;
}

function plot(id, words, x, lines, xEnds, yEnds, [across, [upwards, unit]], mark) {
  const svg = $(id);
  const power = exponent(yEnds);
  const raise = power ? `10${raised(String(power))}` : "";
  const name = named(upwards, [raise, unit].filter(Boolean).join(" "));
  const most = Math.max(...yEnds.map(Math.abs));
  const apart = yEnds[1] - yEnds[0];
  // Ends that differ by round-off only would have no round numbers between them.
  const half = apart > 1e-9 * most ? 0.04 * apart : most || 1;
  const [low, high] = [yEnds[0] - half, yEnds[1] + half];
  const right = (v) => BOX.left + ((BOX.right - BOX.left) * (v - xEnds[0])) / (xEnds[1] - xEnds[0] || 1);
  const up = (v) => BOX.bottom - ((BOX.bottom - BOX.top) * (v - low)) / (high - low);
  const parts = [];
  for (const v of ticks(low, high, 5)) {
    parts.push(drawn("line", { class: "rule", x1: BOX.left, x2: BOX.right, y1: up(v), y2: up(v) }));
    parts.push(drawn("text", { x: BOX.left - 8, y: up(v) + 4, "text-anchor": "end" },
      number(v / 10 ** power, 4)));
  }
  for (const v of ticks(...xEnds, 6)) {
    parts.push(drawn("line", { class: "rule", x1: right(v), x2: right(v), y1: BOX.bottom, y2: BOX.bottom + 5 }));
    parts.push(drawn("text", { x: right(v), y: BOX.bottom + 18, "text-anchor": "middle" }, number(v, 4)));
  }
  parts.push(drawn("line", { class: "mark", x1: right(mark), x2: right(mark), y1: BOX.top, y2: BOX.bottom }));
  for (const [place, line] of lines.entries()) {
    // Thinner and thinner, so that lines on top of each other are all seen; chance is thin and below.
    const width = line.chance ? 1 : 1.5 + 1.2 * Math.min(3, lines.length - 1 - place);
    const points = x.map((v, i) => [right(v).toFixed(1), up(line.y[i]).toFixed(1)]);
    for (const piece of pieces(line.y)) {
      const d = `M${points.slice(...piece).join("L")}`;
      if (piece[1] - piece[0] > 1) {
        parts.push(drawn("path", { d, stroke: line.colour, "stroke-width": width }));
      } else {
        const [cx, cy] = points[piece[0]];
        parts.push(drawn("circle", { cx, cy, r: 1.5 + width, fill: line.colour }));
      }
    }
  }
  const middle = (BOX.left + BOX.right) / 2;
  parts.push(drawn("text", { class: "name", x: middle, y: BOX.bottom + 36, "text-anchor": "middle" }, across));
  const upright = (BOX.top + BOX.bottom) / 2;
  // A long name is drawn together, lest it reach into what is above.
  const narrow = name.length > 34 ? { textLength: 205, lengthAdjust: "spacingAndGlyphs" } : {};
  parts.push(drawn("text", { class: "name", x: 12, y: upright, "text-anchor": "middle",
    transform: `rotate(-90 12 ${upright})`, ...narrow }, name));
  svg.setAttribute("aria-label", words);
  svg.replaceChildren(...parts);
}

const centres = data.axes.map((axis, k) => Array.from({ length: data.shape[k] }, (_, i) =>
  axis.ends[0] + ((axis.ends[1] - axis.ends[0]) * (i + 0.5)) / data.shape[k]));
const place = (k, i) => `${data.axes[k].name} = ${number(centres[k][i], 4)} ${data.length}`;
const axisName = (k) => named(data.axes[k].name, data.length);

const fit = ([low, high]) => (Number.isNaN(low) ? data.limits : [low, high]);
const below = [...runs].sort((a, b) => b.chance - a.chance);
const lines = (of) => below.map((run) => ({ colour: run.colour, chance: run.chance, y: of(run) }));

function profiles() {
  const { time, x, y } = state;
  const where = flat ? place(0, x) : `${place(0, x)} and ${place(1, y)}`;
  const cell = x * ny + y;
  const along = (k) => lines((run) => centres[k].map((_, i) =>
    value(run, time, flat ? i : k ? x * ny + i : i * ny + y)));
  const name = [data.one, data.unit];
  // A scale that stays while time goes on, if it shall, but wide enough for what is drawn.
  const wide = (drawn) => fit(around([...drawn.flatMap((line) => line.y), ...($("own").checked ? [] : data.limits)]));
  const here = [data.times[time], ...runs.map((run) => `${run.label} ${quantity(value(run, time, cell))}`)];
  const mean = data.planes > 1 ? ", mean over channels" : "";
  $("point").textContent = `At ${where}${mean}: ${here.slice(1).join(", ")}.`;
  const across = along(0);
  plot("row", `Along ${data.axes[0].name}${flat ? "" : ` at ${place(1, y)}`}, ${here.join(", ")}`,
    centres[0], across, data.axes[0].ends, wide(across), [axisName(0) + (flat ? "" : `, at ${place(1, y)}`), name],
    centres[0][x]);
  $("column").toggleAttribute("hidden", flat);
  if (!flat) {
    const upwards = along(1);
    plot("column", `Along ${data.axes[1].name} at ${place(0, x)}, ${here.join(", ")}`, centres[1], upwards,
      data.axes[1].ends, wide(upwards), [`${axisName(1)}, at ${place(0, x)}`, name], centres[1][y]);
  }
  const course = lines((run) => data.moments.map((_, t) => value(run, t, cell)));
  plot("history", `In time at ${where}`, data.moments, course, [data.moments[0], data.moments[last]],
    fit(around(course.flatMap((line) => line.y))), [`${data.clock}, at ${where}`, name], data.moments[time]);
}

// --- what is shown at a moment ------------------------------------------------------------------

function maps() {
  for (const run of runs) {
    paint(run.canvas, flat ? history(run) : pixels(run, state.time));
    const words = fromTo(ends(run, state.time));
    run.canvas.setAttribute("aria-label", `${run.label}, ${data.times[state.time]}, ${words}`);
    run.caption.textContent = words;
  }
  bar("scale", data.planes > 1 ? grey : colours.field, range(state.time), data.name);
}

function differences() {
  const { first, second, time } = state;
  const apart = difference(first, second, time);
  const scale = most(first, second, apart);
  const sides = [data.planes > 1 ? 0 : -scale, scale];
  const pair = `${runs[first].label} minus ${runs[second].label}`;
  const found = around(apart);
  const words = `${pair}, ${data.times[time]}, ${fromTo(found)}`;
  if (flat) {
    plot("apart-plot", words, centres[0], [{ colour: runs[first].colour, y: Array.from(apart) }],
      data.axes[0].ends, scale ? sides : [-1, 1], [axisName(0), ["difference", data.unit]], centres[0][state.x]);
  } else {
    const shade = (v) => (Number.isNaN(v) ? missing :
      apartColours[Math.round(255 * (scale ? part(v, sides) : part(0, [sides[0] - 1, 1])))]);
    const canvas = $("apart").querySelector("canvas");
    paint(canvas, picture((cell) => shade(apart[cell])));
    canvas.setAttribute("aria-label", words);
    bar("apart-scale", apartColours, sides, data.planes > 1 ? "mean size of the difference" : "difference");
  }
  $("apart-note").textContent = note(first, second, time, scale, pair, found);
}

function note(first, second, time, scale, pair, found) {
  if (Number.isNaN(found[0])) return `${pair}: no number here.`;
  if (first === second) return "A run minus itself: nothing.";
  const full = kept(first, second);
  if (full && !full[0].scales[time]) return `${pair}: no difference at all at this moment.`;
  const steps = data.planes > 1 ? 254 : 127;
  const step = (run) => (ends(run, time)[1] - ends(run, time)[0]) / (run.rest ? 254 * 255 : 254);
  const coarsest = Math.max(step(runs[first]), step(runs[second]));
  return full
    ? `${pair}, formed from the stored fields themselves before they were put into the page, in ` +
      `${steps} steps up to ${quantity(full[0].scales[time])}.`
    : `${pair}, formed from the frames in this page; what is less than their step of ` +
      `${quantity(coarsest)} is not seen.` + (scale ? "" : " Here nothing is.");
}

function show(time) {
  const moved = time !== state.time;
  state.time = time;
  $("time").value = time;
  $("time").setAttribute("aria-valuetext", data.times[time]);
  $("moment").textContent = data.times[time];
  if (!flat || moved || !state.drawn) maps();
  state.drawn = true;
  if (runs.length > 1) differences();
  overlays();
  profiles();
}

// --- the beginning ------------------------------------------------------------------------------

function build() {
  for (const run of runs) {
    const box = map(flat ? last + 1 : ny);
    run.canvas = box.querySelector("canvas");
    run.caption = element("span");
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = run.colour;
    const title = element("b", {}, run.label);
    $("maps").append(element("figure", {}, box, element("figcaption", {}, swatch, title, element("br"), run.caption)));
  }
  if (flat) $("apart").append(drawn("svg", { id: "apart-plot", class: "plot", viewBox: "0 0 480 250", role: "img" }));
  else $("apart").append(map(ny));
  $("maps").classList.toggle("few", runs.length < 4);
  $("apart-scale").hidden = flat;
  $("difference").hidden = runs.length < 2;
  for (const id of ["first", "second"]) {
    $(id).append(...runs.map((run, i) => element("option", { value: i }, run.label)));
    $(id).addEventListener("change", () => {
      state[id] = Number($(id).value);
      show(state.time);
    });
  }
  const led = runs.findIndex((run) => run.apart);
  state.first = led < 0 ? Math.min(1, runs.length - 1) : led;
  state.second = led < 0 ? 0 : runs.findIndex((run) => run.label === runs[led].reference);
  $("first").value = state.first;
  $("second").value = state.second;
  $("time").max = last;
  $("time").addEventListener("input", () => {
    stop();
    show(Number($("time").value));
  });
  for (const id of ["own", "steady"]) {
    $(id).addEventListener("change", () => {
      state.drawn = false;
      show(state.time);
    });
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => (d.open = true)));
}

let timer = 0;
function stop() {
  clearInterval(timer);
  timer = 0;
  $("play").textContent = "Play";
}
function play() {
  if (timer) return stop();
  if (state.time === last) show(0);
  $("play").textContent = "Pause";
  timer = setInterval(() => (state.time < last ? show(state.time + 1) : stop()), 150);
}

// Whoever wants no motion is offered none; the slider is moved by hand.
const still = matchMedia("(prefers-reduced-motion: reduce)");
function calm() {
  stop();
  $("play").hidden = still.matches || !last;
}

try {
  if (!window.DecompressionStream) throw new Error("this browser cannot unpack the frames; a newer one can");
  await load();
  build();
  $("live").hidden = false;
  $("play").addEventListener("click", play);
  still.addEventListener("change", calm);
  calm();
  // Where the picture is most telling at first: neither the start nor the end.
  show(Math.round(0.6 * last));
} catch (problem) {
  $("trouble").textContent = `The fields cannot be shown here: ${problem.message}.`;
  $("trouble").hidden = false;
}
document.documentElement.dataset.ready = "yes";
})();
