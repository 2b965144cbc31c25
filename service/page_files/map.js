// The map of the catalogue, drawn by plotly.js: zoom, hover, click to hear. Text goes into our own label as text; plotly
// would read markup in it. A large catalogue is sent in parts: those in sight, more of them the closer one looks.

import { getJson, patiently } from "./api.js";
import { player } from "./player.js";
import { likeness, make, nameOf, tagsOf, titleOf } from "./words.js";

const N_POINTS = 1500; // in sight at once
const N_ANCHORS = 5; // neighbours between which a file is put that is not in the catalogue
const ZOOM = 1.6;
const WHOLE = [-1.08, 1.08];
const SETTLE_MS = 250; // after a zoom, before more is asked for
const DRAFT_MS = 3000; // before a map is asked for again that was still being laid out

export class CatalogueMap {
  constructor({ frame, tip, status, songOf, onAsk, say }) {
    Object.assign(this, { frame, tip, status, songOf, onAsk, say });
    this.points = [];
    this.near = new Map(); // similarity by track id
    this.query = null; // { track, x, y }
    this.cursor = null; // the point that the keyboard stands on
    this.box = { x: [...WHOLE], y: [...WHOLE] };
    this.timer = 0;
    this.draftTimer = 0;
    this.turn = 0; // counts what was asked of the service
    frame.addEventListener("keydown", (event) => this.#onKey(event));
    frame.addEventListener("blur", () => this.#hideTip());
    player.addEventListener("change", () => this.#onPlayer());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  async open() {
    try {
      await loadPlotly();
      let query;
      do {
        ({ query } = this);
        await this.#fetch();
      } while (query !== this.query); // a song was asked about meanwhile
      this.status.hidden = true;
      this.#draw();
      this.#listen();
    } catch (error) {
      this.status.textContent = `There is no map: ${error.message}`;
    }
  }

  // Show an answer: the track asked about (without id if it is a file) and its neighbours.
  async show(track, neighbours) {
    this.near = new Map(neighbours.map(({ track: { track_id: id }, similarity }) => [id, similarity]));
    this.query = { track };
    if (!this.isOpen) return;
    await this.#fetch();
    this.#draw();
  }

  // Take the song asked about and its neighbours off the map.
  forget() {
    this.near = new Map();
    this.query = null;
    this.#draw();
  }

  zoom(factor) {
    for (const axis of ["x", "y"]) {
      const [low, high] = this.box[axis];
      const [middle, half] = [(low + high) / 2, (high - low) / 2 / factor];
      this.box[axis] = [middle - half, middle + half];
    }
    this.#setBox();
  }

  zoomOut() {
    this.box = { x: [...WHOLE], y: [...WHOLE] };
    this.#setBox();
  }

  get isOpen() {
    return this.status.hidden;
  }

  async #fetch() {
    const wanted = [...this.near.keys(), this.query?.track.track_id].filter(Boolean);
    const query = new URLSearchParams({ limit: N_POINTS });
    for (const axis of ["x", "y"]) {
      query.set(`${axis}_min`, this.box[axis][0].toFixed(4));
      query.set(`${axis}_max`, this.box[axis][1].toFixed(4));
    }
    for (const id of wanted) query.append("track_id", id);
    this.turn += 1;
    const { turn } = this;
    const part = await patiently(() => getJson(`v1/map?${query}`));
    if (turn !== this.turn) return; // a later question is under way
    this.points = part.points;
    if (!part.n_tracks) throw new Error("the catalogue is empty.");
    this.#place();
    this.frame.dataset.projection = part.projection;
    if (this.cursor) this.cursor = this.points.find((point) => point.track_id === this.cursor.track_id) ?? this.cursor;
    clearTimeout(this.draftTimer);
    if (part.is_draft) this.draftTimer = setTimeout(() => this.#fetch().then(() => this.#draw(), () => {}), DRAFT_MS);
  }

  // Put the query on the map: where it lies, or, if it is a file, between the tracks that it sounds like.
  #place() {
    if (!this.query) return;
    const own = this.points.find((point) => point.track_id === this.query.track.track_id);
    if (own) Object.assign(this.query, { x: own.x, y: own.y });
    else {
      const around = this.points.filter((point) => this.near.has(point.track_id))
        .sort((a, b) => this.near.get(b.track_id) - this.near.get(a.track_id)).slice(0, N_ANCHORS);
      const weights = around.map((point) => 1 / Math.max(0.01, 1 - this.near.get(point.track_id)));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const mean = (axis) => around.reduce((sum, point, at) => sum + weights[at] * point[axis], 0) / total;
      Object.assign(this.query, around.length ? { x: mean("x"), y: mean("y") } : { x: undefined, y: undefined });
    }
  }

  #draw() {
    if (!window.Plotly || !this.isOpen) return;
    const style = getComputedStyle(this.frame);
    const colour = (name) => style.getPropertyValue(name).trim();
    const queryId = this.query?.track.track_id;
    const others = this.points.filter((point) => !this.near.has(point.track_id) && point.track_id !== queryId);
    const near = this.points.filter((point) => this.near.has(point.track_id));
    const query = this.query?.x === undefined ? [] : [{ ...this.query.track, x: this.query.x, y: this.query.y }];
    const playing = this.points.filter((point) => player.isPlaying && player.current?.key === point.track_id);
    const ring = [...playing, ...(this.cursor ? [this.cursor] : [])];
    const trace = (points, marker, hoverinfo = "none") => ({
      type: "scatter", mode: "markers", x: points.map(({ x }) => x), y: points.map(({ y }) => y),
      customdata: points, marker, hoverinfo, cliponaxis: true,
    });
    const line = { color: colour("--panel"), width: 1.5 };
    const traces = [
      trace(others, { color: colour("--point"), size: 7, opacity: 0.75 }),
      trace(near, { color: colour("--near"), size: 12, line }),
      trace(query, { color: colour("--query"), size: 17, symbol: "star-diamond", line }),
      trace(ring, { color: "rgba(0,0,0,0)", size: 20, line: { color: colour("--ink"), width: 2 } }, "skip"),
    ];
    const axis = { visible: false, fixedrange: false };
    const layout = {
      margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: { ...axis, range: this.box.x }, yaxis: { ...axis, range: this.box.y },
      dragmode: "pan", hovermode: "closest", hoverdistance: 12, showlegend: false,
    };
    window.Plotly.react(this.frame, traces, layout, { scrollZoom: true, displayModeBar: false, responsive: true, doubleClick: false });
  }

  #listen() {
    this.frame.on("plotly_hover", ({ points: [point] }) => this.#showTip(point.customdata));
    this.frame.on("plotly_unhover", () => this.#hideTip());
    this.frame.on("plotly_click", ({ points: [point] }) => this.#hear(point.customdata));
    this.frame.on("plotly_doubleclick", () => this.zoomOut());
    this.frame.on("plotly_relayout", () => {
      const { xaxis, yaxis } = this.frame.layout;
      this.box = { x: [...xaxis.range], y: [...yaxis.range] };
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#fetch().then(() => this.#draw(), () => {}), SETTLE_MS);
    });
  }

  #setBox() {
    if (this.isOpen) window.Plotly.relayout(this.frame, { "xaxis.range": this.box.x, "yaxis.range": this.box.y });
  }

  #onPlayer() {
    const key = player.isPlaying ? player.current?.key : null;
    if (key === this.playingKey) return;
    this.playingKey = key;
    this.#draw();
  }

  #hear(point) {
    if (point.track_id) player.toggle(this.songOf(point.track_id));
  }

  #words(point) {
    if (this.query && point.track_id === this.query.track.track_id) return "selected song";
    const similarity = this.near.get(point.track_id);
    return similarity === undefined ? "" : [likeness(similarity), similarity.toFixed(2)].filter(Boolean).join(", ");
  }

  #showTip(point) {
    const lines = [make("strong", {}, titleOf(point)), make("span", { className: "quiet" }, tagsOf(point)), make("span", {}, this.#words(point))];
    this.tip.replaceChildren(...lines.filter((each) => each.textContent));
    this.tip.hidden = false;
    const share = (axis) => (point[axis] - this.box[axis][0]) / (this.box[axis][1] - this.box[axis][0]);
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    const left = Math.min(width - this.tip.offsetWidth - 4, Math.max(4, share("x") * width - this.tip.offsetWidth / 2));
    const above = (1 - share("y")) * height - this.tip.offsetHeight - 14;
    const top = above < 4 ? (1 - share("y")) * height + 14 : above;
    this.tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  #hideTip() {
    this.tip.hidden = true;
  }

  #onKey(event) {
    if (!this.isOpen) return;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (way) this.#step(way);
    else if (event.key === "Enter" || event.key === " ") this.cursor && this.#hear(this.cursor);
    else if (event.key.toLowerCase() === "s") this.cursor?.track_id && this.onAsk(this.cursor.track_id);
    else if (event.key === "+" || event.key === "=") this.zoom(ZOOM);
    else if (event.key === "-") this.zoom(1 / ZOOM);
    else if (event.key === "0" || event.key === "Escape") this.zoomOut();
    else return;
    event.preventDefault();
  }

  // Step to the nearest point in a direction; the first step goes to the query, or to the middle.
  #step([right, up]) {
    const inSight = this.points.filter(({ x, y }) => x >= this.box.x[0] && x <= this.box.x[1] && y >= this.box.y[0] && y <= this.box.y[1]);
    const from = this.cursor ?? { x: this.query?.x ?? 0, y: this.query?.y ?? 0 };
    let [best, least] = [null, Infinity];
    for (const point of inSight) {
      const [dx, dy] = [point.x - from.x, point.y - from.y];
      const along = dx * right + dy * up;
      const across = Math.abs(dx * up + dy * right);
      if (this.cursor && (point === from || along <= 0 || across > 2 * along)) continue;
      const far = this.cursor ? along + 2 * across : Math.hypot(dx, dy);
      if (far < least) [best, least] = [point, far];
    }
    if (!best) return;
    this.cursor = best;
    this.#draw();
    this.#showTip(best);
    this.say([nameOf(best), this.#words(best)].filter(Boolean).join(", "));
  }
}

function loadPlotly() {
  return new Promise((resolve, reject) => {
    const script = make("script", { src: "page/plotly.min.js" });
    script.onload = resolve;
    script.onerror = async () => {
      const problem = await getJson("page/plotly.min.js").catch((error) => error);
      reject(problem instanceof Error ? problem : new Error("plotly.js could not be loaded"));
    };
    document.head.append(script);
  });
}

export { ZOOM };
