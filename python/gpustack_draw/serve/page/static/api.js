// The server's API: the API key, models, drawings with their events, and the gallery.

const KEY = "gpustack-draw key";

/** An answer of the server that is no success; status 0 if there is no answer. */
export class ServerError extends Error {
  constructor(message, status, code = null) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

let askForKey = async () => null;

/** Set the function that asks for the API key: (wasWrong) => Promise of the key, or of null. */
export function setKeyPrompt(ask) {
  let asking = null; // requests that fail together ask once
  askForKey = (wasWrong) => {
    asking ??= ask(wasWrong).finally(() => (asking = null));
    return asking;
  };
}

/** Fetch an address of the server, relative to the page; ask for the API key where it is needed. */
async function request(address, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const response = await fetch(address, { ...options, headers }).catch(lostConnection);
    if (response.ok) return response;
    if (response.status !== 401) throw await errorOf(response);
    if (sessionStorage.getItem(KEY) !== key) continue; // another request has asked meanwhile
    const typed = await askForKey(key !== null);
    if (typed === null) throw await errorOf(response);
    sessionStorage.setItem(KEY, typed);
  }
}

function lostConnection(error) {
  throw new ServerError(error.message, 0);
}

async function errorOf(response) {
  const answer = await response.json().catch(() => ({}));
  const message = answer.error?.message ?? answer.detail ?? `${response.status} ${response.statusText}`;
  return new ServerError(message, response.status, answer.error?.code);
}

/** Return the models that the server lists, with their settings in `meta`. */
export async function listModels() {
  const answer = await (await request("v1/models")).json();
  return answer.data;
}

/** Return true if the server has loaded its first model. */
export async function isReady() {
  try {
    const response = await fetch("health");
    await response.text(); // unread, it would keep its connection
    return response.ok;
  } catch {
    return false;
  }
}

/** Return some pictures of the gallery, newest first: {data, has_more}. */
export async function listPictures({ after = null, limit = 24 } = {}) {
  const query = new URLSearchParams({ limit, ...(after ? { after } : {}) });
  return (await request(`gallery?${query}`)).json();
}

/** Return the file of a picture of the gallery. */
export async function readPicture(id) {
  return (await request(`gallery/${id}`)).blob();
}

/** Return a small JPEG file of a picture of the gallery. */
export async function readThumbnail(id) {
  return (await request(`gallery/${id}/thumbnail`)).blob();
}

/** Return a new id of a drawing, which nobody can guess. */
export function newDrawingId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Start a drawing, and yield its events. */
export async function* startDrawing(id, kind, body) {
  const isForm = body instanceof FormData;
  const headers = isForm ? {} : { "Content-Type": "application/json" };
  yield* events(await request(`drawings/${id}/${kind}`, { method: "POST", headers, body }));
}

/** Yield the events of a drawing that is running or has just ended. */
export async function* followDrawing(id) {
  yield* events(await request(`drawings/${id}`));
}

/** End a drawing. */
export async function cancelDrawing(id) {
  await request(`drawings/${id}`, { method: "DELETE" });
}

/** Yield the JSON objects of an event stream. An error in it is thrown. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pieces = []; // of an unfinished line; a picture comes in many
  for (;;) {
    const { done, value } = await reader.read().catch(lostConnection);
    if (done) return;
    const lines = value.split("\n");
    pieces.push(lines[0]);
    if (lines.length === 1) continue;
    lines[0] = pieces.join("");
    pieces = [lines.pop()];
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      // The largest seeds are not exact as numbers of JavaScript.
      const event = JSON.parse(line.slice("data:".length).replace(/"seed": ?([0-9]+)/, '"seed":"$1"'));
      if (event.error) throw new ServerError(event.error.message, response.status);
      yield { ...event, kind: event.type.split(".").pop() };
    }
  }
}

/** Return a file with the bytes of a text in Base64. */
export function blobOf(base64, type) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type });
}
