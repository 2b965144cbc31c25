// Requests to the service. Errors carry the problem details that the service returns (RFC 9457).

const TOKEN_KEY = "audio-engine-token";
const AT_ONCE = 3; // readings of files that this page has under way: a service takes eight of one client

export class ServiceError extends Error {
  constructor(message, status, code = "") {
    super(message);
    this.status = status;
    this.code = code; // as in `service/errors.py`
  }
}

const unreachable = () => new ServiceError("The service cannot be reached. Is it still running?", 0);

let token = sessionStorage.getItem(TOKEN_KEY) ?? "";

export function useToken(text) {
  token = text.trim();
  sessionStorage.setItem(TOKEN_KEY, token);
}

export async function getJson(path, { signal } = {}) {
  return answerOf(await send(path, { headers: headers(), signal }));
}

export async function getBlob(path, { signal } = {}) {
  const reply = await send(path, { headers: headers(), signal });
  if (!reply.ok) throw problemOf(parsed(await reply.text()), reply.status);
  return reply.blob();
}

export async function postJson(path, question, { signal } = {}) {
  const body = JSON.stringify(question);
  return answerOf(
    await send(path, { method: "POST", headers: { ...headers(), "content-type": "application/json" }, body, signal }),
  );
}

// Sends a file; `onProgress` hears the share that is sent. XMLHttpRequest, since fetch tells nobody how far it is.
export function postFile(path, file, fields, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", file, file.name);
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : null);
    request.upload.onload = () => onProgress(1);
    request.onload = () => {
      const answer = parsed(request.responseText);
      if (request.status < 300) resolve(answer);
      else reject(problemOf(answer, request.status));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("given up", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

// What reads files waits here for its turn, and comes again when the service is busy.
const waiting = [];
let underWay = 0;

export async function getSlowJson(path, { signal } = {}) {
  if (underWay >= AT_ONCE) await new Promise((go) => waiting.push(go));
  else underWay += 1;
  try {
    signal?.throwIfAborted();
    return await patiently(() => getJson(path, { signal }));
  } finally {
    if (waiting.length) waiting.shift()();
    else underWay -= 1;
  }
}

export async function patiently(ask, { tries = 60, onWait = () => {} } = {}) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      tries -= 1;
      if (![429, 503].includes(error.status) || tries < 1) throw error;
      onWait();
      await new Promise((go) => setTimeout(go, 2000));
    }
  }
}

// Where the sound of a track can be played from. A player sends no token, so with one the sound is fetched first.
const fetched = new Map();

export async function audioUrl(trackId) {
  const path = `v1/tracks/${encodeURIComponent(trackId)}/audio`;
  if (!token) return path;
  if (!fetched.has(trackId)) {
    fetched.set(trackId, URL.createObjectURL(await getBlob(path)));
  }
  return fetched.get(trackId);
}

function headers() {
  return token ? { authorization: `Bearer ${token}` } : {};
}

// As `fetch`, whose own words for a lost connection are another in each browser.
async function send(path, request) {
  try {
    return await fetch(path, request);
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
}

async function answerOf(reply) {
  const answer = parsed(await reply.text());
  if (!reply.ok) throw problemOf(answer, reply.status);
  return answer;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problemOf(answer, status) {
  return new ServiceError(answer?.detail ?? `The service answered with status ${status}.`, status, answer?.code);
}
