// The page of the server: asks for pictures, shows them grow, and lists those of the server.

import * as api from "./api.js";
import {
  FormError,
  chooseRandomSeed,
  chosenMeta,
  connectForm,
  fillForm,
  offerModels,
  readFields,
  readSeed,
  rewriteForm,
  suggestSeed,
  updateModels,
} from "./form.js";
import {
  connectGallery,
  describeGallery,
  listedPictures,
  markChosen,
  refreshGallery,
} from "./gallery.js";
import { connectMaskEditor } from "./mask.js";
import {
  clearPicture,
  connectPictureIn,
  readPictureIn,
  setPicture,
  show as showPictureIn,
} from "./picture_in.js";
import {
  beginProgress,
  describePicture,
  endProgress,
  showEvent,
  showPicture,
  shownPicture,
} from "./stage.js";
import { connectLanguageButton, text, writeTexts } from "./texts.js";

const DRAWING = "gpustack-draw drawing";
const ATTEMPTS = 4; // to follow a drawing again, after 1, 2, 3 and 4 seconds

const element = (id) => document.getElementById(id);

// The drawing of this page: {id, size}, which the page finds again after a reload, its input
// pictures, and the ids of the pictures that were listed before.
let drawing = null;
let isCanceled = false;
// The input pictures of this tab's drawings, which the server does not keep, by the picture's id.
const inputsOf = new Map();

function start() {
  writeTexts();
  connectForm();
  connectMaskEditor();
  connectPictureIn(showError);
  connectGallery(openPicture, fail);
  connectLanguageButton(element("language"), () => {
    rewriteForm();
    showPictureIn();
    describePicture();
    describeGallery();
  });
  api.setKeyPrompt(askForKey);
  element("form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  for (const button of document.querySelectorAll("dialog .back")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  element("cancel").addEventListener("click", cancel);
  element("again").addEventListener("click", again);
  element("use-settings").addEventListener("click", async () => {
    await takeSettings();
    element("prompt").focus();
  });
  element("edit-this").addEventListener("click", editThis);
  addEventListener("keydown", (event) => {
    const form = event.target.closest("#form");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && form) form.requestSubmit();
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) cancel();
  });
  document.addEventListener("visibilitychange", () => {
    const isBusy = document.hidden || document.querySelector("dialog[open]");
    if (!isBusy) refreshGallery().catch(() => {}); // the next drawing tells what is wrong
  });
  load().catch(fail);
}

async function load() {
  offerModels(await api.listModels());
  showPictureIn();
  waitUntilReady().catch(fail);
  await refreshGallery();
  const [newest] = listedPictures();
  const kept = JSON.parse(sessionStorage.getItem(DRAWING) ?? "null");
  if (newest && !kept) await openPicture(newest);
  if (kept) await draw(kept, api.followDrawing(kept.id));
}

/** True if the server has described the chosen model; it does after loading it. */
function isModelKnown() {
  return chosenMeta().family !== undefined;
}

async function waitUntilReady() {
  if (!(await api.isReady())) {
    setEmptyText("loading");
    do await sleep(2000);
    while (!(await api.isReady()));
    setEmptyText("empty");
    await learnAboutModels();
  } else if (!isModelKnown()) {
    await learnAboutModels();
  }
}

/** Say something in place of the first picture. */
function setEmptyText(key) {
  element("empty").dataset.text = key;
  element("empty").textContent = text(key);
}

async function learnAboutModels() {
  updateModels(await api.listModels());
  showPictureIn();
}

async function submit() {
  if (drawing) return;
  showError("");
  try {
    const fields = readFields();
    const seed = readSeed();
    const pictureIn = await readPictureIn();
    const body = pictureIn ? editBody(fields, seed, pictureIn) : generationBody(fields, seed);
    const id = api.newDrawingId();
    const events = api.startDrawing(id, pictureIn ? "edits" : "generations", body);
    if (innerWidth < 900) element("stage").scrollIntoView();
    const known = new Set(listedPictures().map((item) => item.id));
    await draw({ id, size: fields.size, inputs: pictureIn?.state, known }, events);
  } catch (error) {
    fail(error);
  }
}

function generationBody(fields, seed) {
  const body = JSON.stringify({
    ...fieldsWithoutMask(fields),
    stream: true,
    stream_options: { progress: true, previews: true },
  });
  // The largest seeds are not exact as numbers of JavaScript.
  return seed === null ? body : `${body.slice(0, -1)},"seed":${seed}}`;
}

function editBody(fields, seed, { file, mask, strength }) {
  const body = new FormData();
  const sent = {
    ...(mask ? fields : fieldsWithoutMask(fields)),
    stream: true,
    stream_options: { progress: true, previews: true },
    ...(seed === null ? {} : { seed }),
    ...(strength === null ? {} : { strength }),
  };
  for (const [name, value] of Object.entries(sent)) {
    body.append(name, typeof value === "object" ? JSON.stringify(value) : value);
  }
  body.append("image", file, "image");
  if (mask) body.append("mask", mask, "mask.png");
  return body;
}

/** Leave out fields about a mask, which are carried from a picture that was drawn with one. */
function fieldsWithoutMask(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !name.startsWith("mask")));
}

/** Follow a drawing to its end. */
async function draw(started, events) {
  const kept = { id: started.id, size: started.size };
  drawing = started;
  isCanceled = false;
  sessionStorage.setItem(DRAWING, JSON.stringify(kept));
  element("draw").ariaDisabled = "true";
  beginProgress(kept.size);
  let message = "";
  try {
    message = await followToTheEnd(events, started);
  } catch (error) {
    if (isCanceled) message = text("canceled");
    else if (!isForgotten(error)) fail(error);
  } finally {
    drawing = null;
    sessionStorage.removeItem(DRAWING);
    element("draw").ariaDisabled = null;
    endProgress(message);
  }
}

/** Follow a drawing, also through interruptions of the connection; a reload of the page is one, too. */
async function followToTheEnd(events, started) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await follow(events, started);
    } catch (error) {
      if (error.status !== 0 || isCanceled || attempt > ATTEMPTS) throw error;
      await sleep(1000 * attempt);
      events = api.followDrawing(started.id);
    }
  }
}

/** Show the events of a drawing; return a sentence about its end. */
async function follow(events, { inputs, known = new Set() }) {
  let finished = null;
  let failure = null;
  try {
    for await (const event of events) {
      if (event.kind === "completed") finished = event;
      else showEvent(event);
    }
  } catch (error) {
    if (!finished) throw error;
    failure = error; // the picture was drawn before
  }
  await refreshGallery();
  if (!isModelKnown()) await learnAboutModels();
  if (!finished) return isCanceled ? text("canceled") : text("alreadyEnded");
  const isNew = ({ id, seed }) => !known.has(id) && seed === finished.seed;
  const item = listedPictures().find(isNew) ?? null;
  showPicture(api.blobOf(finished.b64_json, "image/png"), item);
  if (failure) fail(failure);
  if (!item) return "";
  suggestSeed(item.seed);
  markChosen(item.id);
  if (inputs) inputsOf.set(item.id, inputs);
  return text("drawnStatus", { prompt: item.fields.prompt ?? "" });
}

/** True if the server does not know a drawing: any more after a reload, or yet. */
function isForgotten(error) {
  return error instanceof api.ServerError && error.status === 404;
}

async function cancel() {
  if (!drawing || isCanceled) return;
  isCanceled = true;
  const hadFocus = document.activeElement === element("cancel");
  await endOnServer(drawing).catch(fail);
  if (hadFocus) element("draw").focus();
}

/** End a drawing, also one that the server does not know yet. */
async function endOnServer(canceled) {
  while (drawing === canceled) {
    try {
      return await api.cancelDrawing(canceled.id);
    } catch (error) {
      if (!isForgotten(error)) throw error;
    }
    await sleep(200);
  }
}

async function openPicture(item) {
  if (drawing) return;
  showError("");
  try {
    showPicture(await api.readPicture(item.id), item);
    markChosen(item.id);
  } catch (error) {
    fail(error);
  }
}

/** Fill the form with the settings of the picture; return whether its input pictures are there. */
async function takeSettings() {
  showError("");
  const { item } = shownPicture();
  fillForm(item);
  const inputs = inputsOf.get(item.id);
  if (inputs) await setPicture(inputs.file, inputs);
  else clearPicture();
  return Boolean(inputs) || !item.from_pictures;
}

async function again() {
  if (drawing) return;
  if (await takeSettings()) {
    chooseRandomSeed();
    await submit();
  } else {
    showError(text("inputsMissing"));
    element("file").focus();
  }
}

async function editThis() {
  const { blob, item } = shownPicture();
  await setPicture(new File([blob], item.name, { type: blob.type }));
  element("form").scrollIntoView();
  element("prompt").select();
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function askForKey(wasWrong) {
  const dialog = element("key-dialog");
  element("key-wrong").hidden = !wasWrong;
  element("key").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const typed = () => resolve(dialog.returnValue === "done" ? element("key").value.trim() : null);
    dialog.addEventListener("close", typed, { once: true });
  });
}

function fail(error) {
  const known = { 0: "notReachable", 401: "keyNeeded", loading: "loading", queue_full: "queueFull" };
  const key = known[error.code] ?? known[error.status];
  showError(key ? text(key) : error.message);
  if (error instanceof FormError) error.field.focus();
}

function showError(message) {
  element("error").hidden = !message;
  element("error").textContent = message;
}

start();
