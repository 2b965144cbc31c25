// The card of a track: play button, title, tags, and a waveform to seek in, with the matching seconds marked.

import { player } from "./player.js";
import { clock, make, nameOf, spoken, tagsOf, titleOf } from "./words.js";

const STEP_S = 5;
const LEAP_S = 30;

export class Card {
  // track: as the service tells it; song: for the player; peaks(): Promise<{duration_s, peaks}>; signal: ends it
  constructor(track, { song, peaks, signal, level = 3 }) {
    this.track = track;
    this.song = song;
    this.durationS = track.duration_s ?? 0;
    this.peaks = null;
    this.marks = []; // [start, end], seconds
    this.#build(level);
    this.#listen(signal);
    this.#whenSeen(async () => {
      try {
        const outline = await peaks();
        this.peaks = outline.peaks;
        this.durationS = outline.duration_s;
      } catch {
        this.peaks = []; // the sound may be played all the same
      }
      this.draw();
    });
  }

  mark(start, end) {
    this.marks = [[start, end]];
    this.draw();
  }

  #build(level) {
    const title = titleOf(this.track);
    this.button = make("button", { type: "button", className: "play" });
    this.button.setAttribute("aria-label", `Play ${nameOf(this.track)}`);
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.slider = make("div", { className: "wave", tabIndex: 0, role: "slider", "aria-label": `Position in ${title}` }, this.canvas);
    this.time = make("span", { className: "time quiet" });
    this.note = make("p", { className: "note", hidden: true });
    this.heading = make(`h${level}`, { className: "title" }, title);
    this.head = make("div", { className: "head" }, make("div", { className: "words" }, this.heading,
      make("p", { className: "quiet tags" }, tagsOf(this.track))));
    this.element = make("div", { className: "card" }, this.button, this.head,
      make("div", { className: "sound" }, this.slider, this.time), this.note);
  }

  #listen(signal) {
    this.button.addEventListener("click", () => player.toggle(this.song));
    this.slider.addEventListener("keydown", (event) => this.#onKey(event));
    const seek = (event) => {
      const box = this.slider.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      player.play(this.song, share * this.durationS);
    };
    this.slider.addEventListener("click", seek);
    const onChange = () => this.element.isConnected && this.draw();
    player.addEventListener("change", onChange, { signal });
    player.addEventListener("failed", ({ detail }) => {
      if (detail.song.key !== this.song.key) return;
      this.note.textContent = detail.message;
      this.note.hidden = false;
    }, { signal });
    new ResizeObserver(() => this.draw()).observe(this.slider);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange, { signal });
  }

  #whenSeen(action) {
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      action();
    }, { rootMargin: "200px" });
    watch.observe(this.element);
  }

  #onKey(event) {
    const now = player.current?.key === this.song.key ? player.timeS : 0;
    const to = {
      ArrowLeft: now - STEP_S, ArrowDown: now - STEP_S, ArrowRight: now + STEP_S, ArrowUp: now + STEP_S,
      PageDown: now - LEAP_S, PageUp: now + LEAP_S, Home: 0, End: this.durationS - STEP_S,
    }[event.key];
    if (event.key === " " || event.key === "Enter") player.toggle(this.song);
    else if (to !== undefined) player.play(this.song, Math.min(this.durationS, Math.max(0, to)));
    else return;
    event.preventDefault();
  }

  draw() {
    const isCurrent = player.current?.key === this.song.key;
    const now = isCurrent ? player.timeS : 0;
    this.#tell(now, player.plays(this.song));
    const { canvas } = this;
    const [width, height] = [this.slider.clientWidth, this.slider.clientHeight];
    if (!width) return;
    const scale = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    drawWave(context, { width, height, peaks: this.peaks ?? [], share: this.durationS ? now / this.durationS : 0,
      marks: this.marks.map((mark) => mark.map((seconds) => seconds / (this.durationS || 1))),
      colours: coloursOf(this.slider) });
  }

  #tell(now, plays) {
    const title = nameOf(this.track);
    this.button.dataset.plays = String(plays);
    this.button.setAttribute("aria-label", `${plays ? "Pause" : "Play"} ${title}`);
    this.time.textContent = this.durationS ? `${clock(now)} / ${clock(this.durationS)}` : "";
    const marked = this.marks.map(([start, end]) => `; best match from ${spoken(start)} to ${spoken(end)}`).join("");
    const values = { min: 0, max: Math.round(this.durationS), now: Math.round(now) };
    for (const [name, value] of Object.entries(values)) this.slider.setAttribute(`aria-value${name}`, value);
    this.slider.setAttribute("aria-valuetext", `${spoken(now)} of ${spoken(this.durationS)}${marked}`);
  }
}

function coloursOf(element) {
  const style = getComputedStyle(element);
  const names = ["--wave", "--wave-played", "--mark", "--wave-marked"];
  return names.map((name) => style.getPropertyValue(name).trim());
}

function drawWave(context, { width, height, peaks, share, marks, colours }) {
  const [wave, played, mark, marked] = colours;
  const least = Math.max(3, width / 400); // a mark is seen in a song of an hour, too
  const bands = marks.map(([start, end]) => [start * width, Math.max(end * width, start * width + least)]);
  context.clearRect(0, 0, width, height);
  context.fillStyle = mark;
  for (const [left, right] of bands) context.fillRect(left, 0, right - left, height);
  const loudest = Math.max(1e-6, ...peaks);
  const n = Math.max(1, Math.min(Math.floor(width / 3), peaks.length || 1));
  for (let bar = 0; bar < n; bar += 1) {
    const part = peaks.slice(Math.floor((bar * peaks.length) / n), Math.max(Math.ceil(((bar + 1) * peaks.length) / n), 1));
    const tall = Math.max(2, (part.length ? Math.max(...part) / loudest : 0) * (height - 4));
    const x = (bar * width) / n;
    const isMarked = bands.some(([left, right]) => x + 2 > left && x < right);
    context.fillStyle = x / width < share ? played : isMarked ? marked : wave;
    context.fillRect(x, (height - tall) / 2, Math.max(1, width / n - 1), tall);
  }
  for (const [left, right] of bands) {
    context.strokeStyle = marked;
    context.lineWidth = 1.5;
    context.strokeRect(left + 0.75, 0.75, right - left - 1.5, height - 1.5);
  }
  if (share > 0) {
    context.fillStyle = played;
    context.fillRect(share * width - 1, 0, 2, height);
  }
}

// The outline of a file that lies on this device, by the browser's own decoder; at 8 kHz, an hour takes 115 MB.
const MAX_BYTES = 100_000_000;

export async function outlineOf(file, nPeaks = 600) {
  if (file.size > MAX_BYTES) throw new Error("too large to draw");
  const context = new OfflineAudioContext(1, 1, 8000);
  const sound = await context.decodeAudioData(await file.arrayBuffer());
  const samples = sound.getChannelData(0);
  const peaks = [];
  for (let part = 0; part < nPeaks; part += 1) {
    let peak = 0;
    const end = Math.floor(((part + 1) * samples.length) / nPeaks);
    for (let at = Math.floor((part * samples.length) / nPeaks); at < end; at += 1) peak = Math.max(peak, Math.abs(samples[at]));
    peaks.push(peak);
  }
  return { duration_s: sound.duration, peaks };
}
