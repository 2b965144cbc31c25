// Formatting of values as text, and elements built from text that is never parsed as markup.

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

export const titleOf = (track) => track.title || track.file || "untitled";

export const nameOf = (track) => (track.artist ? `${titleOf(track)}, by ${track.artist}` : titleOf(track));

export function tagsOf(track) {
  const isPredicted = track.genre_predicted && track.genre_predicted !== "unknown"; // else it is far from all that is known
  const genre = track.genre || (isPredicted && `${track.genre_predicted} (by its sound)`);
  const length = track.duration_s === null || track.duration_s === undefined ? "" : clock(track.duration_s);
  return [track.artist, track.album, track.year, genre, length].filter(Boolean).join(" · ");
}

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function spoken(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(whole / 60);
  const words = [minutes ? `${minutes} minute${minutes > 1 ? "s" : ""}` : "", `${whole % 60} seconds`];
  return words.filter(Boolean).join(" ");
}

// How alike two tracks are, in words. By the catalogue of 553 excerpts that the README speaks of: of all pairs one in a
// hundred lies above 0.6, and copies of one recording lie above 0.9. Below 0.3 the number alone is shown.
export function likeness(similarity) {
  if (similarity >= 0.9) return "nearly the same";
  if (similarity >= 0.75) return "very much alike";
  if (similarity >= 0.6) return "alike";
  return similarity >= 0.3 ? "a little alike" : "";
}

export const tracks = (n) => `${n.toLocaleString("en")} track${n === 1 ? "" : "s"}`;

export const duplicatesHidden = (n) => (n ? `${n} duplicate${n > 1 ? "s" : ""} hidden. ` : "");
