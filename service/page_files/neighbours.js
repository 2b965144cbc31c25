// The list of neighbours: a card for each, with its similarity and the matching seconds.

import { Card } from "./card.js";
import { player } from "./player.js";
import { steerButtons } from "./steer.js";
import { clock, duplicatesHidden, likeness, make, nameOf, titleOf } from "./words.js";

export function showNeighbours(list, neighbours, { songOf, outlineOfTrack, onAsk, onSteer, signal }) {
  const cards = new Map();
  list.replaceChildren(
    ...neighbours.map(({ track, similarity, copies }) => {
      const { track_id: id } = track;
      const card = new Card(track, { song: songOf(id), peaks: () => outlineOfTrack(id), signal, level: 4 });
      cards.set(id, card);
      card.head.append(similarityOf(similarity));
      card.why = make("p", { className: "why quiet" }, duplicatesHidden(copies.length));
      const more = make("button", { type: "button", className: "plain more" }, "What sounds like this?");
      more.setAttribute("aria-label", `What sounds like ${nameOf(track)}?`);
      more.addEventListener("click", () => onAsk(id));
      card.actions = make("div", { className: "row" }, ...steerButtons(track, onSteer), more);
      card.element.append(make("div", { className: "foot" }, card.why, card.actions));
      return make("li", {}, card.element);
    }),
  );
  return cards;
}

// Add which seconds match: to each card, and to that of the query for the nearest one.
export function tellWhy(neighbours, cards, query) {
  for (const { track, explanation } of [...neighbours].reverse()) {
    const card = cards.get(track.track_id);
    if (!explanation || !card) continue;
    const ours = [explanation.query_start_s, explanation.query_end_s];
    const theirs = [explanation.neighbour_start_s, explanation.neighbour_end_s];
    card.mark(...theirs);
    query.mark(...ours); // at last those of the nearest
    const both = make("button", { type: "button", className: "plain" }, "Hear both");
    both.setAttribute("aria-label", `Hear the seconds of the selected song, then those of ${titleOf(track)}`);
    both.addEventListener("click", () => {
      query.mark(...ours);
      player.playExcerpts([
        { song: query.song, from: ours[0], until: ours[1] },
        { song: card.song, from: theirs[0], until: theirs[1] },
      ]);
    });
    const span = ([start, end]) => `${clock(start)}–${clock(end)}`;
    card.why.prepend(`Best match: ${span(theirs)} here, ${span(ours)} of the selected song (${explanation.similarity.toFixed(2)}). `);
    card.actions.prepend(both);
  }
}

function similarityOf(similarity) {
  const bar = make("span", { className: "bar", "aria-hidden": "true" }, make("span", {}));
  bar.firstChild.style.width = `${Math.round(Math.max(0, similarity) * 100)}%`;
  const words = likeness(similarity);
  return make("p", { className: "similarity" }, make("span", { className: "number" }, similarity.toFixed(2)), bar,
    words && make("span", { className: "quiet" }, words));
}
