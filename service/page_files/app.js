// The page: choose a track, query the service, show the result, steer it. The query is kept in the address
// (#track=…&like=…&unlike=…).

import { ServiceError, audioUrl, getJson, getSlowJson, patiently, postFile, postJson, useToken } from "./api.js";
import { Card, outlineOf } from "./card.js";
import { listening } from "./listening.js";
import { CatalogueMap, ZOOM } from "./map.js";
import { showNeighbours, tellWhy } from "./neighbours.js";
import { player } from "./player.js";
import { searchBox } from "./search.js";
import { showSteered, steered, weightsOf } from "./steer.js";
import { make, nameOf, titleOf, tracks } from "./words.js";

const WEAK = 0.6; // similarity below which nothing sounds much alike (words.js)
const at = (id) => document.getElementById(id);
const say = (text) => (at("live").textContent = text);

const songOf = (trackId) => ({ key: trackId, url: () => audioUrl(trackId) });
const outlineOfTrack = (trackId) =>
  getSlowJson(`v1/tracks/${encodeURIComponent(trackId)}/waveform`, { signal: shown.signal });

let asking = new AbortController(); // ends the question that is under way
let shown = new AbortController(); // ends what belongs to the answer on the page
let asked = null; // { trackId } or { file }, with { like, unlike }: ids
let seed = 0; // of chance

const map = new CatalogueMap({
  frame: at("map"), tip: at("tip"), status: at("map-status"), songOf, say,
  onAsk: (trackId) => goTo(trackId),
});

function goTo(trackId, { like = [], unlike = [] } = {}) {
  const names = [["track", trackId], ...like.map((id) => ["like", id]), ...unlike.map((id) => ["unlike", id])];
  const hash = `#${new URLSearchParams(names)}`;
  if (location.hash === hash) ask({ trackId, like, unlike });
  else location.hash = hash; // and then as below
}

function onAddress() {
  const names = new URLSearchParams(location.hash.slice(1));
  if (names.get("track")) ask({ trackId: names.get("track"), like: names.getAll("like"), unlike: names.getAll("unlike") });
  else if (asked?.trackId) forget();
}

// Back before the first song: the page as it was opened.
function forget() {
  for (const each of [asking, shown]) each.abort();
  asked = null;
  player.pause();
  map.forget();
  clearAnswer();
  at("search").value = "";
  for (const id of ["answer", "progress"]) at(id).hidden = true;
  at("try").hidden = !at("try").children.length;
}

const steer = (trackId, way) => steerBy(steered(asked, trackId, way));

function steerBy(lists) {
  if (asked.file) ask({ file: asked.file, ...lists });
  else goTo(asked.trackId, lists);
}

async function ask(question) {
  asking.abort();
  shown.abort();
  [asking, shown] = [new AbortController(), new AbortController()];
  const { signal } = asking;
  asked = question;
  at("try").hidden = true;
  player.pause();
  clearAnswer();
  try {
    if (question.file) await askOfFile(question, signal);
    else await askOfTrack(question, signal);
  } catch (error) {
    if (!signal.aborted) showFailure(error);
  } finally {
    if (!signal.aborted) at("progress").hidden = true;
  }
}

async function askOfTrack({ trackId, ...lists }, signal) {
  showProgress("Looking for what sounds like it …", null);
  const question = { track_ids: [trackId], ...weightsOf(lists), ...filters() };
  const reply = await patiently(() => postJson("v1/similar", question, { signal }));
  if (signal.aborted) return;
  const card = new Card(reply.seeds[0], { song: songOf(trackId), peaks: () => outlineOfTrack(trackId), signal: shown.signal });
  const cards = showAnswer(reply, card);
  showProgress("Listening for the seconds that match best …", null, { aloud: false }); // the answer is being read
  tellWhy((await patiently(() => postJson("v1/similar", { ...question, explanation: true }, { signal }))).neighbours, cards, card);
}

async function askOfFile({ file, isFolder, ...lists }, signal) {
  if (isFolder) throw new Error("This is a folder. Drop one sound file; audio-engine embed FOLDER adds all that a folder holds.");
  const url = URL.createObjectURL(file);
  shown.signal.addEventListener("abort", () => URL.revokeObjectURL(url));
  const track = { title: "", artist: "", file: file.name };
  const song = { key: url, url: async () => url };
  const outline = outlineOf(file);
  outline.catch(() => {}); // told where it is drawn
  at("query").replaceChildren(new Card(track, { song, peaks: () => outline, signal: shown.signal }).element);
  const onProgress = (share) => {
    if (share === 1) showProgress("Analysing the sound …", null);
    else showProgress(`Sending ${file.name} …`, share);
  };
  onProgress(0);
  const onWait = () => showProgress("The service is busy; asking again …", null);
  const weights = Object.entries(weightsOf(lists)).map(([way, given]) => [way, JSON.stringify(given)]);
  const fields = { explanation: true, ...Object.fromEntries(weights), ...filters() };
  const reply = await patiently(() => postFile("v1/similar", file, fields, { onProgress, signal }), { onWait });
  if (signal.aborted) return;
  const card = new Card(reply.seeds[0], { song, peaks: () => outline, signal: shown.signal });
  const cards = showAnswer(reply, card);
  tellWhy(reply.neighbours, cards, card);
}

function clearAnswer() {
  at("answer").hidden = false;
  for (const id of ["problem", "verdict", "list-title", "steered", "unsteer", "again"]) at(id).hidden = true;
  at("query").replaceChildren();
  at("neighbours").replaceChildren();
}

function showAnswer(reply, card) {
  at("query").replaceChildren(card.element);
  const { neighbours, flags } = reply;
  const steering = filters();
  const isSteered = reply.unlike.length > 0 || STEERING.some((name) => steering[name]); // away from the nearest
  const isWeak = neighbours.every(({ similarity }) => similarity < WEAK);
  showSteered(at("steered"), { like: reply.seeds.slice(1), unlike: reply.unlike }, steer);
  at("unsteer").hidden = at("steered").children.length < 2; // one has its own button
  at("again").hidden = !steering.variation;
  const verdict = [];
  if (flags.includes("seed_not_analysed")) verdict.push("This track has not been analysed yet.");
  else if (!neighbours.length) verdict.push("No track passes the filters.");
  else {
    if (isWeak) verdict.push(isSteered ? "Nothing in this list sounds much like it." : "Nothing here sounds much like it. These come nearest.");
    if (flags.includes("too_few_results")) verdict.push(`Only ${neighbours.length} with these filters.`);
  }
  at("verdict").textContent = verdict.join(" ");
  at("verdict").hidden = !verdict.length;
  at("list-title").hidden = !neighbours.length;
  const minutes = Math.round(neighbours.reduce((sum, { track }) => sum + (track.duration_s ?? 0), 0) / 6) / 10;
  const size = steering.minutes ? `: ${tracks(neighbours.length)}, ${minutes} minutes` : "";
  at("list-title").textContent = `${!isWeak ? "Sounds like it" : isSteered ? "Nearest to it, as steered" : "Nearest to it"}${size}`;
  const cards = showNeighbours(at("neighbours"), neighbours, { songOf, outlineOfTrack, onAsk: (id) => goTo(id), onSteer: steer, signal: shown.signal });
  map.show(reply.seeds[0], neighbours).catch(() => {});
  say(`${tracks(neighbours.length)} found for ${titleOf(card.track)}. ${verdict.join(" ")} ${neighbours.length ? `The nearest: ${nameOf(neighbours[0].track)}.` : ""}`);
  at("answer").focus({ preventScroll: true });
  at("answer").scrollIntoView({ block: "nearest" });
  return cards;
}

function showProgress(text, share, { aloud = true } = {}) {
  at("progress").hidden = false;
  if (aloud && at("progress-text").textContent !== text) say(text);
  at("progress-text").textContent = text;
  if (share === null) at("bar").removeAttribute("value");
  else at("bar").value = share;
}

function showProblem(error) {
  at("answer").hidden = false;
  at("problem").hidden = false;
  at("problem").replaceChildren(...(error.code === "undecodable" ? unusable(error.message) : [error.message]));
  if (error instanceof ServiceError && error.status === 401) at("token-form").hidden = false;
}

// Say what was wrong, and show nothing that belongs to another question.
function showFailure(error) {
  at("query").replaceChildren();
  map.forget();
  showProblem(error);
}

function unusable(detail) {
  if (!/^(FFmpeg|libsndfile): /.test(detail)) return [`This file cannot be compared. ${detail[0].toUpperCase()}${detail.slice(1)}.`]; // empty, silent, …
  const what = make("details", {}, make("summary", {}, "What the decoders say"), make("p", { className: "quiet" }, detail));
  return ["This is not a sound file that can be read.", what];
}

// Filters and steering

const STEERING = ["variation", "diverse", "artist_gap", "minutes"];

function filters() {
  const given = Object.fromEntries([...new FormData(at("filter-form"))].filter(([, value]) => value.trim()));
  const question = given.k ? { k: given.k } : {};
  for (const name of ["genre", "not_artist", "year_from", "year_to", "max_per_artist", ...STEERING]) {
    if (given[name] && given[name] !== "0") question[name] = given[name];
  }
  if (question.variation) question.seed = seed;
  if (given.longer_min) question.min_duration_s = given.longer_min * 60;
  if (given.shorter_min) question.max_duration_s = given.shorter_min * 60;
  if (given.not_same_artist) question.not_same_artist = true;
  return question;
}

function onFilters(event) {
  event?.preventDefault();
  const n = Object.keys(filters()).filter((name) => !["k", "seed"].includes(name)).length;
  showSliders();
  at("n-filters").textContent = `${n} set`;
  at("n-filters").hidden = !n;
  if (asked) ask(asked);
}

function showSliders() {
  for (const slider of at("filter-form").querySelectorAll("[type=range]")) slider.previousElementSibling.textContent = `${Math.round(slider.value * 100)} %`;
}

at("filter-form").addEventListener("input", showSliders);
at("unsteer").addEventListener("click", () => steerBy({}));
at("again").addEventListener("click", () => {
  seed += 1;
  ask(asked);
});
at("filter-form").addEventListener("submit", onFilters);
at("filter-form").addEventListener("reset", () => setTimeout(onFilters));

// Files

function onFile(file, { isFolder = false } = {}) {
  if (!file) return;
  history.replaceState(null, "", location.pathname);
  at("search").value = "";
  map.forget();
  ask({ file, isFolder });
}

at("file").addEventListener("change", ({ target }) => {
  onFile(target.files[0]);
  target.value = ""; // so that the same file may be chosen again
});
let depth = 0; // of elements that a dragged file has entered
const holdsFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
const setDragged = (change) => {
  depth = change === null ? 0 : Math.max(0, depth + change);
  at("drop").classList.toggle("over", depth > 0);
};
addEventListener("dragenter", (event) => holdsFile(event) && setDragged(1));
addEventListener("dragleave", (event) => holdsFile(event) && setDragged(-1));
addEventListener("dragover", (event) => holdsFile(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!holdsFile(event)) return;
  event.preventDefault();
  setDragged(null);
  onFile(event.dataTransfer.files[0], { isFolder: event.dataTransfer.items[0]?.webkitGetAsEntry()?.isDirectory });
});

at("cancel").addEventListener("click", () => {
  asking.abort();
  at("progress").hidden = true;
  say("Given up.");
});

// The rest

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(at("token").value);
  for (const id of ["token-form", "problem"]) at(id).hidden = true;
  start();
  if (asked) ask(asked);
});
at("map-in").addEventListener("click", () => map.zoom(ZOOM));
at("map-out").addEventListener("click", () => map.zoom(1 / ZOOM));
at("map-all").addEventListener("click", () => map.zoomOut());
searchBox({ input: at("search"), list: at("found"), onChoose: ({ track_id: id }) => goTo(id), onError: showProblem, say });
listening({ form: at("listening-form"), input: at("listener"), answer: at("listening"), problem: at("listening-problem"), say });
addEventListener("hashchange", onAddress);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address holds the question
  at("answer").focus();
});

const N_TRIED = 3; // songs to begin with
const TRIED_OF = 100_000; // of the catalogue's first: the service counts its way to an offset

// Offer some songs, drawn anew each time, to who has not asked about any.
async function offer(nTracks) {
  const n = Math.min(nTracks, TRIED_OF);
  const offsets = new Set();
  while (offsets.size < Math.min(n, N_TRIED)) offsets.add(Math.floor(Math.random() * n));
  const pages = await Promise.all([...offsets].map((offset) => getJson(`v1/tracks?limit=1&offset=${offset}`)));
  const songs = pages.flatMap((page) => page.tracks).map((track) => {
    const button = make("button", { type: "button", className: "plain", title: nameOf(track) }, titleOf(track));
    button.addEventListener("click", () => goTo(track.track_id));
    return button;
  });
  at("try").replaceChildren("Try:", ...songs);
  at("try").hidden = Boolean(asked) || !songs.length;
}

async function showFacts() {
  const { version, has_profiles: hasProfiles } = await getJson("page/facts.json");
  at("version").textContent = version;
  at("listening-panel").hidden = !hasProfiles;
}

async function start() {
  try {
    const { n_tracks: n } = await patiently(() => getJson("v1/tracks?limit=1"));
    at("size").textContent = n ? `${tracks(n)} in the catalogue` : "The catalogue is empty: audio-engine embed FOLDER fills it.";
    map.open();
    if (!asked) offer(n).catch(() => {}); // a search does as well
  } catch (error) {
    showProblem(error);
  }
}

showSliders();
showFacts().catch(() => {}); // the page does without
start();
onAddress();
