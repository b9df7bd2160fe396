// Zooming, moving and tracing in the drawing of a lineage. Without this script it scrolls.
const stage = document.getElementById("stage");
const canvas = document.getElementById("canvas");
const graph = document.getElementById("graph");
const full = { x: 0, y: 0, width: graph.viewBox.baseVal.width, height: graph.viewBox.baseVal.height };
const view = { ...full };
const LARGEST = 2.5;

const nodes = [...graph.querySelectorAll(".node[data-node]")];
const edges = [...graph.querySelectorAll(".edge[data-to]")];
const byNumber = new Map(nodes.map((node) => [node.dataset.node, node]));

function scale() {
  return Math.min(canvas.clientWidth / view.width, canvas.clientHeight / view.height);
}

function show() {
  graph.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
}

/** Keeps a piece within the drawing; one that is larger stands in its middle. */
function within(start, length, whole) {
  if (length >= whole) return (whole - length) / 2;
  return Math.max(0, Math.min(whole - length, start));
}

/** Shows a piece whose middle is (x, y), at a number of pixels for each unit. */
function look(x, y, zoom) {
  const least = Math.min(canvas.clientWidth / full.width, canvas.clientHeight / full.height, 1) * 0.8;
  const bounded = Math.max(least, Math.min(LARGEST, zoom));
  view.width = canvas.clientWidth / bounded;
  view.height = canvas.clientHeight / bounded;
  view.x = within(x - view.width / 2, view.width, full.width);
  view.y = within(y - view.height / 2, view.height, full.height);
  show();
}

const middle = () => [view.x + view.width / 2, view.y + view.height / 2];

function fit() {
  const zoom = Math.min(canvas.clientWidth / full.width, canvas.clientHeight / full.height, 1.15);
  look(full.width / 2, full.height / 2, zoom);
}

function home() {
  const box = graph.querySelector(".node.root").getBBox();
  look(box.x + box.width / 2, box.y + box.height / 2, Math.max(0.9, scale()));
}

/** Zooms so that a point of the drawing stays where it is on the screen. */
function zoomAt(x, y, factor) {
  const before = scale();
  const after = before * factor;
  const [mx, my] = middle();
  look(x + (mx - x) * (before / after), y + (my - y) * (before / after), after);
}

function pointAt(event) {
  const box = canvas.getBoundingClientRect();
  const [mx, my] = middle();
  return [
    mx + (event.clientX - box.left - box.width / 2) / scale(),
    my + (event.clientY - box.top - box.height / 2) / scale(),
  ];
}

const moves = {
  in: () => zoomAt(...middle(), 1.3),
  out: () => zoomAt(...middle(), 1 / 1.3),
  fit,
  root: home,
};

// ------------------------------------------------------------------------------ tracing of paths

function reached(start, from, to) {
  const found = new Set([start]);
  const waiting = [start];
  while (waiting.length) {
    const here = waiting.pop();
    for (const edge of edges) {
      const there = edge.dataset[to];
      if (edge.dataset[from] === here && there !== undefined && !found.has(there)) {
        found.add(there);
        waiting.push(there);
      }
    }
  }
  return found;
}

/** Sets off what an artifact was made from and what was made from it. */
function trace(number) {
  const before = reached(number, "to", "from");
  const after = reached(number, "from", "to");
  for (const node of nodes) {
    node.classList.toggle("traced", before.has(node.dataset.node) || after.has(node.dataset.node));
  }
  for (const edge of edges) {
    const { from, to } = edge.dataset;
    const back = before.has(to) && (from === undefined || before.has(from));
    edge.classList.toggle("traced", back || (after.has(to) && from !== undefined && after.has(from)));
  }
  graph.classList.add("tracing");
}

function untrace() {
  graph.classList.remove("tracing");
}

let kept = null; // what was clicked, until something else is

function settle() {
  if (kept === null) untrace();
  else trace(kept);
}

for (const node of nodes) {
  node.addEventListener("pointerenter", () => trace(node.dataset.node));
  node.addEventListener("pointerleave", settle);
  node.addEventListener("focus", () => {
    if (!node.matches(":focus-visible")) return;
    trace(node.dataset.node);
    reveal(node);
  });
  node.addEventListener("blur", settle);
}
for (const edge of edges) {
  edge.addEventListener("click", () => {
    kept = edge.dataset.to;
    settle();
  });
}

function reveal(node) {
  const box = node.getBBox();
  const inside =
    box.x >= view.x && box.y >= view.y &&
    box.x + box.width <= view.x + view.width && box.y + box.height <= view.y + view.height;
  if (!inside) look(box.x + box.width / 2, box.y + box.height / 2, scale());
}

// ----------------------------------------------------------------------------------- the keyboard

function neighbour(node, key) {
  const number = node.dataset.node;
  const box = node.getBBox();
  let found;
  if (key === "ArrowLeft") found = edges.filter((e) => e.dataset.to === number).map((e) => e.dataset.from);
  else if (key === "ArrowRight") found = edges.filter((e) => e.dataset.from === number).map((e) => e.dataset.to);
  else {
    const sign = key === "ArrowUp" ? -1 : 1;
    const column = nodes.filter((other) => {
      const place = other.getBBox();
      return Math.abs(place.x - box.x) < 1 && (place.y - box.y) * sign > 1;
    });
    column.sort((a, b) => Math.abs(a.getBBox().y - box.y) - Math.abs(b.getBBox().y - box.y));
    found = column.map((other) => other.dataset.node);
  }
  return byNumber.get(found.find((other) => other !== undefined));
}

/** One artifact is in the order of the Tab key; arrows lead from it to the others. */
function rove(node) {
  for (const other of nodes) if (other.hasAttribute("href")) other.setAttribute("tabindex", "-1");
  node.setAttribute("tabindex", "0");
}

canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const node = event.target.closest?.(".node[data-node]");
  const step = 60 / scale();
  const [x, y] = middle();
  const around = {
    ArrowLeft: () => look(x - step, y, scale()),
    ArrowRight: () => look(x + step, y, scale()),
    ArrowUp: () => look(x, y - step, scale()),
    ArrowDown: () => look(x, y + step, scale()),
  };
  const keys = { "+": moves.in, "=": moves.in, "-": moves.out, "0": fit, Home: home };
  if (node && event.key in around) {
    const other = neighbour(node, event.key);
    if (other && other.hasAttribute("href")) {
      rove(other);
      other.focus();
    }
  } else if (event.key in around) around[event.key]();
  else if (event.key in keys) keys[event.key]();
  else if (event.key === "Escape") {
    kept = null;
    untrace();
  } else return;
  event.preventDefault();
});

// ------------------------------------------------------------------------------ mouse and fingers

canvas.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey && !canvas.contains(document.activeElement)) return;
    event.preventDefault();
    zoomAt(...pointAt(event), Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)));
  },
  { passive: false },
);

const fingers = new Map();
let dragged = 0;

function span() {
  const [one, two] = [...fingers.values()];
  return Math.hypot(one.x - two.x, one.y - two.y);
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  dragged = 0;
});
window.addEventListener("pointermove", (event) => {
  const last = fingers.get(event.pointerId);
  if (!last) return;
  const now = { x: event.clientX, y: event.clientY };
  const before = fingers.size === 2 ? span() : 0;
  fingers.set(event.pointerId, now);
  if (fingers.size === 2) {
    zoomAt(...pointAt(event), span() / (before || 1));
  } else if (fingers.size === 1) {
    const [x, y] = middle();
    look(x - (now.x - last.x) / scale(), y - (now.y - last.y) / scale(), scale());
  }
  dragged += Math.abs(now.x - last.x) + Math.abs(now.y - last.y);
  if (dragged > 4) canvas.classList.add("dragging");
});
for (const end of ["pointerup", "pointercancel"]) {
  window.addEventListener(end, (event) => {
    fingers.delete(event.pointerId);
    if (!fingers.size) canvas.classList.remove("dragging");
  });
}
canvas.addEventListener("dragstart", (event) => event.preventDefault());
canvas.addEventListener(
  "click",
  (event) => {
    if (dragged > 4) {
      event.preventDefault(); // the end of a drag is no click on what lies under it
      event.stopPropagation();
    } else if (!event.target.closest(".node, .edge")) {
      kept = null;
      settle();
    }
    if (!event.target.closest("a")) canvas.focus({ preventScroll: true });
  },
  true,
);

// ---------------------------------------------------------------------------------------- begin

for (const button of document.querySelectorAll("#tools [data-do]")) {
  button.addEventListener("click", () => moves[button.dataset.do]());
}
document.getElementById("tools").hidden = false;
document.getElementById("graph-help").hidden = false;
stage.classList.add("live");
graph.removeAttribute("width");
graph.removeAttribute("height");
graph.setAttribute("preserveAspectRatio", "xMidYMid meet");
const share = window.innerWidth > 700 ? 0.62 : 0.45;
canvas.style.height = `${Math.max(200, Math.min(full.height * 1.15, window.innerHeight * share))}px`;
rove(graph.querySelector(".node.root"));
fit();
if (scale() < 0.55) home();
new ResizeObserver(() => look(...middle(), scale())).observe(canvas);
