// The gallery: the pictures of the server, newest first.

import { listPictures, readThumbnail } from "./api.js";
import { text } from "./texts.js";

const element = (id) => document.getElementById(id);
const list = element("pictures");

let items = [];
let chosenId = null;

/** Connect the controls; `choose` receives the picture that the user opens, `failed` an error. */
export function connectGallery(choose, failed) {
  element("older").addEventListener("click", () => loadOlder().catch(failed));
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) choose(items.find(({ id }) => id === button.dataset.id));
  });
}

/** Return the pictures that are listed, newest first. */
export function listedPictures() {
  return items;
}

/** List the newest pictures; other clients of the server draw, too. */
export async function refreshGallery() {
  const { data, has_more } = await listPictures();
  const known = new Set(items.map(({ id }) => id));
  const added = data.filter(({ id }) => !known.has(id));
  if (added.length === data.length) {
    items = data; // there may be others between these and the known ones
    list.replaceChildren();
    element("older").hidden = !has_more;
  } else {
    items = [...added, ...items];
  }
  list.prepend(...added.map(entryOf));
  element("gallery-empty").hidden = items.length > 0;
}

/** Mark the picture that is on the stage. */
export function markChosen(id) {
  chosenId = id;
  for (const button of list.querySelectorAll("button")) mark(button);
}

/** Write the texts again, in another language. */
export function describeGallery() {
  for (const button of list.querySelectorAll("button")) {
    describe(button, items.find(({ id }) => id === button.dataset.id));
  }
}

async function loadOlder() {
  const { data, has_more } = await listPictures({ after: items.at(-1).id });
  items = [...items, ...data];
  const entries = data.map(entryOf);
  list.append(...entries);
  element("older").hidden = !has_more;
  entries[0]?.querySelector("button").focus();
}

function entryOf(item) {
  const entry = document.createElement("li");
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.dataset.id = item.id;
  const image = document.createElement("img");
  [image.width, image.height] = [item.width, item.height];
  button.append(image);
  describe(button, item);
  mark(button);
  entry.append(button);
  showThumbnail(image, item.id);
  return entry;
}

function describe(button, item) {
  const prompt = item.fields.prompt ?? "";
  button.querySelector("img").alt = text("thumbnail", { prompt, seed: item.seed });
}

function mark(button) {
  button.ariaCurrent = button.dataset.id === chosenId ? "true" : null;
}

async function showThumbnail(image, id) {
  try {
    const address = URL.createObjectURL(await readThumbnail(id));
    image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
    image.src = address;
  } catch {
    image.closest("li")?.classList.add("missing"); // its file was removed meanwhile
  }
}
