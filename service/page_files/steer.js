// Steering by ear: which tracks the answer is to be like, and unlike, beside the one asked about.

import { make, nameOf, titleOf } from "./words.js";

const WAYS = { like: "More like", unlike: "Less like" };

// Add a track to those that are liked or unliked, in place of what was said of it before; or forget it (way: null).
export function steered({ like = [], unlike = [] }, trackId, way) {
  const lists = { like: like.filter((id) => id !== trackId), unlike: unlike.filter((id) => id !== trackId) };
  if (way) lists[way].push(trackId);
  return lists;
}

// Weights as the service takes them; nothing where nobody has said anything.
export function weightsOf(question) {
  const weights = (ids) => Object.fromEntries(ids.map((id) => [id, 1]));
  return Object.fromEntries(Object.keys(WAYS).filter((way) => question[way]?.length).map((way) => [way, weights(question[way])]));
}

export function steerButtons(track, onSteer) {
  return Object.entries(WAYS).map(([way, words]) => {
    const button = make("button", { type: "button", className: "plain", "aria-label": `${words} ${nameOf(track)}` }, `${words} this`);
    button.addEventListener("click", () => onSteer(track.track_id, way));
    return button;
  });
}

// List what the answer is like and unlike, each with a button that takes it back.
export function showSteered(list, { like, unlike }, onSteer) {
  const chips = (tracks, way) => tracks.map((track) => {
    const forget = make("button", { type: "button", className: "plain", "aria-label": `No longer ${WAYS[way].toLowerCase()} ${nameOf(track)}` }, "✕");
    forget.addEventListener("click", () => onSteer(track.track_id, null));
    return make("li", {}, make("span", {}, `${WAYS[way]} ${titleOf(track)}`), forget);
  });
  list.replaceChildren(...chips(like, "like"), ...chips(unlike, "unlike"));
  list.hidden = !list.children.length;
}
