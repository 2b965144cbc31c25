// One player for the whole page, so that one track plays at a time. A track is { key, url(): Promise<string> }.

class Player extends EventTarget {
  current = null; // the song
  #audio = document.createElement("audio");
  #until = Infinity; // seconds
  #next = []; // excerpts that follow

  constructor() {
    super();
    this.#audio.hidden = true;
    this.#audio.preload = "auto";
    document.body.append(this.#audio);
    for (const kind of ["play", "pause", "ended", "seeked"]) this.#audio.addEventListener(kind, () => this.#tell());
    this.#audio.addEventListener("timeupdate", () => this.#onTime());
    this.#audio.addEventListener("error", () => this.#fail("It cannot be played: its file has gone, or your browser does not know its format."));
  }

  get isPlaying() {
    return !this.#audio.paused;
  }

  get timeS() {
    return this.#audio.currentTime;
  }

  plays(song) {
    return this.current?.key === song.key && this.isPlaying;
  }

  toggle(song) {
    if (this.plays(song)) this.pause();
    else this.play(song);
  }

  pause() {
    this.#next = [];
    this.#audio.pause();
  }

  play(song, from) {
    return this.playExcerpts([{ song, from, until: Infinity }]);
  }

  async playExcerpts([first, ...next]) {
    this.#next = next;
    this.#until = first.until;
    if (this.current?.key !== first.song.key) {
      this.#audio.pause();
      this.current = first.song;
      this.#tell();
      try {
        const url = await first.song.url();
        if (this.current !== first.song) return; // another was asked for meanwhile
        this.#audio.src = url;
      } catch (error) {
        this.#fail(error.message);
        return;
      }
    }
    if (first.from !== undefined) this.#audio.currentTime = first.from;
    else if (this.#audio.ended) this.#audio.currentTime = 0;
    await this.#audio.play().catch(() => {}); // what is wrong comes as an event of its own
  }

  #onTime() {
    this.#tell();
    if (this.timeS < this.#until) return;
    if (this.#next.length) this.playExcerpts(this.#next);
    else this.#audio.pause();
    if (!this.#next.length) this.#until = Infinity;
  }

  #fail(message) {
    const song = this.current;
    if (!song) return;
    this.current = null;
    this.dispatchEvent(new CustomEvent("failed", { detail: { song, message } }));
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

export const player = new Player();
