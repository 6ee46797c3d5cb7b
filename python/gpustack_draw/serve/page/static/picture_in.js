// The picture to start from: dropped, pasted or chosen as a file, with the mask painted on it.

import { chosenMeta, setHasPicture } from "./form.js";
import { drawMask, editMask, maskFile } from "./mask.js";
import { text } from "./texts.js";

const SENT_AS_IT_IS = ["image/png", "image/jpeg", "image/webp"];
const PREVIEW_SIDE = 640;

const element = (id) => document.getElementById(id);

let file = null;
let bitmap = null;
let mask = []; // operations of the mask editor

/** Connect the controls; `failed` receives the text of an error. */
export function connectPictureIn(failed) {
  const take = (taken) => setPicture(taken).catch((error) => failed(error.message));
  element("file").addEventListener("change", () => {
    const [chosen] = element("file").files;
    element("file").value = ""; // so that the same file can be chosen again
    if (chosen) take(chosen);
  });
  addEventListener("paste", (event) => {
    const pasted = pictureOf(event.clipboardData);
    if (!pasted || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    take(pasted);
  });
  for (const type of ["dragenter", "dragover"]) {
    addEventListener(type, (event) => {
      event.preventDefault(); // the browser would open the file
      document.body.classList.add("dragging");
    });
  }
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging"); // it has left the window
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    const dropped = pictureOf(event.dataTransfer);
    if (dropped) take(dropped);
  });
  element("mark").addEventListener("click", async () => {
    mask = (await editMask(bitmap, mask)) ?? mask;
    show();
  });
  element("unmark").addEventListener("click", () => {
    mask = [];
    show();
    element("mark").focus();
  });
  element("remove").addEventListener("click", () => {
    clearPicture();
    element("file").focus();
  });
  element("strength").addEventListener("input", showStrength);
  element("model").addEventListener("change", show);
  for (const radio of document.getElementsByName("use")) radio.addEventListener("change", show);
}

/** Return the input of a drawing that starts from the picture: {file, mask, strength}; null without one. */
export async function readPictureIn() {
  if (!file) return null;
  return {
    file,
    mask: mask.length ? await maskFile(mask, bitmap.width, bitmap.height) : null,
    strength: usesStrength() ? element("strength").value : null,
    state: { file, mask, use: chosenUse() },
  };
}

/** Start from a picture, by default without a mask. */
export async function setPicture(chosen, { mask: newMask = [], use = null } = {}) {
  let decoded;
  try {
    decoded = await createImageBitmap(chosen);
  } catch {
    throw new Error(text("notReadable", { name: chosen.name ?? "" }));
  }
  file = SENT_AS_IT_IS.includes(chosen.type) ? chosen : await asPng(decoded);
  bitmap = decoded;
  mask = newMask;
  if (use) document.querySelector(`[name=use][value=${use}]`).checked = true;
  setHasPicture(true);
  show();
}

/** Draw without a picture to start from. */
export function clearPicture() {
  file = bitmap = null;
  mask = [];
  setHasPicture(false);
  show();
}

/** Write the texts again, in another language or for another model. */
export function show() {
  element("drop").classList.toggle("small", bitmap !== null);
  element("chosen").hidden = bitmap === null;
  element("use").hidden = !editsByDefault();
  element("strength-field").hidden = !usesStrength();
  element("unmark").hidden = !mask.length;
  showStrength();
  if (!bitmap) return;
  const canvas = element("chosen-picture");
  const scale = Math.min(1, PREVIEW_SIDE / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.ariaLabel = text(mask.length ? "marked" : "pictureInChosen");
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  if (mask.length) drawOverlay(context, canvas);
}

function drawOverlay(context, { width, height }) {
  const own = Object.assign(document.createElement("canvas"), { width, height });
  const overlay = own.getContext("2d");
  overlay.scale(width / bitmap.width, height / bitmap.height);
  drawMask(overlay, mask, getComputedStyle(element("mask-canvas")).getPropertyValue("--mask"));
  context.globalAlpha = 0.6;
  context.drawImage(own, 0, 0);
}

/** True if the model changes pictures as the prompt says, unless it gets a strength. */
function editsByDefault() {
  return chosenMeta().image_use === "reference";
}

function chosenUse() {
  return document.querySelector("[name=use]:checked").value;
}

function usesStrength() {
  return !editsByDefault() || chosenUse() === "start";
}

function showStrength() {
  const strength = element("strength");
  element("strength-value").value = (+strength.value).toFixed(2);
}

/** Return the first picture of a paste or a drop. */
function pictureOf(transfer) {
  return [...(transfer?.files ?? [])].find(({ type }) => type.startsWith("image/"));
}

function asPng(decoded) {
  const { width, height } = decoded;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(decoded, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
