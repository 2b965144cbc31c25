// The search box with its list of suggestions (the combobox pattern of the ARIA Authoring Practices).

import { getJson } from "./api.js";
import { make, nameOf, tagsOf, titleOf, tracks as inWords } from "./words.js";

const PAUSE_MS = 150; // after the last key
const N_SHOWN = 12;

export function searchBox({ input, list, onChoose, onError, say }) {
  let tracks = [];
  let active = -1;
  let timer = 0;
  let asking = new AbortController();

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  const choose = (track) => {
    close();
    clearTimeout(timer);
    input.value = titleOf(track);
    onChoose(track);
  };

  const point = (row) => {
    active = row;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
    const option = list.children[active];
    if (!option) return;
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };

  const show = () => {
    const options = tracks.map((track, row) => {
      const option = make("li", { id: `found-${row}`, role: "option", "aria-selected": "false" },
        make("span", { className: "title" }, titleOf(track)), make("span", { className: "quiet" }, tagsOf(track)));
      option.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
      option.addEventListener("click", () => choose(track));
      return option;
    });
    list.replaceChildren(...options);
    list.hidden = !tracks.length;
    active = -1;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
    say(tracks.length ? `${inWords(tracks.length)} found; the arrow keys choose` : "No track found");
  };

  const search = async () => {
    asking.abort();
    asking = new AbortController();
    if (!input.value.trim()) {
      close();
      return;
    }
    try {
      const path = `v1/search?q=${encodeURIComponent(input.value.slice(0, 200))}&k=${N_SHOWN}`;
      tracks = (await getJson(path, { signal: asking.signal })).tracks;
      show();
      if (!tracks.length) showNothing();
    } catch (error) {
      if (error.name !== "AbortError") onError(error);
    }
  };

  const showNothing = () => {
    list.replaceChildren(make("li", { className: "nothing quiet", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "No track has these words."));
    list.hidden = false;
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE_MS);
  });
  input.addEventListener("focus", () => input.value && tracks.length && list.children.length && (list.hidden = false, input.setAttribute("aria-expanded", "true")));
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (list.hidden || !tracks.length) return;
    if (event.key === "ArrowDown") point((active + 1) % tracks.length);
    else if (event.key === "ArrowUp") point((active + tracks.length - (active < 0 ? 0 : 1)) % tracks.length);
    else if (event.key === "Enter") choose(tracks[Math.max(0, active)]);
    else return;
    event.preventDefault();
  });
  return { nameOf };
}
