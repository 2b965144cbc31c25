// "Your listening": how a user of the plays listens, with stars and in words, and as a picture to keep.

import { getBlob, getJson, patiently } from "./api.js";
import { make } from "./words.js";

const N_STARS = 5;
const FAVOURITES = { artist: "Artists you come back to", genre: "Your genres", sound: "Your sounds", track: "Tracks you love" };

export function listening({ form, input, answer, problem, say }) {
  let asking = new AbortController();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const user = input.value.trim();
    problem.hidden = true;
    answer.replaceChildren();
    if (!user) return;
    try {
      const persona = await patiently(() => getJson(pathOf(user, "persona"), { signal }));
      if (signal.aborted) return;
      show(persona);
      say(`${persona.user}: ${persona.headline}.`);
    } catch (error) {
      if (!signal.aborted) tell(error);
    }
  });

  const tell = (error) => {
    problem.textContent = error.status === 404 ? "Nobody of this name has played anything here." : error.message;
    problem.hidden = false;
  };

  const show = (persona) => {
    const save = make("button", { type: "button", className: "plain" }, "Save it as a picture");
    save.addEventListener("click", () => keep(persona.user).catch(tell));
    const favourites = favouritesOf(persona.favourites);
    answer.replaceChildren(
      make("h3", { className: "headline" }, persona.headline),
      make("p", { className: "quiet" }, `${persona.user} · ${persona.n_plays.toLocaleString("en")} plays`),
      make("ul", { className: "traits" }, ...persona.traits.map(traitOf)),
      ...(favourites ? [favourites] : []),
      make("p", { className: "row" }, save),
    );
  };
}

const pathOf = (user, part) => `v1/users/${encodeURIComponent(user)}/${part}`;

function traitOf({ title, stars, sentence }) {
  const shown = make("span", { className: "stars", role: "img", "aria-label": `${stars} of ${N_STARS} stars` });
  for (let star = 0; star < N_STARS; star += 1) shown.append(make("span", { className: star < stars ? "lit" : "" }, "★"));
  return make("li", {}, make("h4", {}, title), shown, make("p", { className: "quiet" }, sentence));
}

function favouritesOf(favourites) {
  const kinds = Object.keys(FAVOURITES).filter((kind) => favourites[kind]?.length);
  const parts = kinds.flatMap((kind) => [make("dt", {}, FAVOURITES[kind]), make("dd", {}, favourites[kind].join(", "))]);
  return kinds.length ? make("dl", { className: "favourites" }, ...parts) : null;
}

async function keep(user) {
  const url = URL.createObjectURL(await patiently(() => getBlob(pathOf(user, "card"))));
  const link = make("a", { href: url, download: "your listening.png" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // once the browser has it
}
