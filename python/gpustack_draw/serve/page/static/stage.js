// The stage: the picture, how it was drawn, and the progress of the next one.

import { blobOf } from "./api.js";
import { text } from "./texts.js";

const element = (id) => document.getElementById(id);
const picture = element("picture");

const PHASES = {
  decode: "phaseDecode",
  encode: "phaseEncode",
  encode_pictures: "phaseEncodePictures",
  fetch: "phaseFetch",
  load: "phaseLoad",
  load_loras: "phaseLoad",
  upscale: "phaseUpscale",
};
const ANNOUNCED = 4; // a screen reader hears of each quarter of the steps

let shown = null; // {blob, item}: the finished picture
let sampling = null; // when the steps of the picture began, for the remaining time
let announced = "";

/** Show a finished picture. `item` describes it as the gallery does; null if it is in no gallery. */
export function showPicture(blob, item) {
  shown = { blob, item };
  showBlob(blob);
  describePicture();
}

/** Return the finished picture on the stage: {blob, item}; null for none. */
export function shownPicture() {
  return shown;
}

/** Write the description of the picture again, in another language. */
export function describePicture() {
  element("caption").hidden = !shown?.item;
  if (!shown?.item) return;
  const { item } = shown;
  const { fields } = item;
  picture.alt = fields.prompt ?? "";
  element("caption-prompt").textContent = fields.prompt ?? "";
  const settings = [
    `${item.width} × ${item.height}`,
    item.seed !== null && text("seedValue", { seed: item.seed }),
    fields.sample_steps && text("stepsValue", { steps: fields.sample_steps }),
    fields.strength !== undefined && text("strengthValue", { strength: fields.strength }),
    fields.sampler,
    item.model,
  ];
  element("caption-settings").textContent = settings.filter(Boolean).join(" · ");
  element("caption-settings").title = item.parameters;
  element("download").href = picture.src;
  element("download").download = item.name;
}

/** Begin to show progress, of a picture of a size such as "512x768" if it is known. */
export function beginProgress(size) {
  sampling = null;
  element("empty").hidden = true;
  element("caption").hidden = true;
  element("progress").hidden = false;
  picture.hidden = true;
  picture.alt = "";
  if (/^\d+x\d+$/.test(size ?? "")) {
    const [width, height] = size.split("x");
    element("frame").style.aspectRatio = `${width} / ${height}`;
  }
  element("frame").classList.add("drawing");
  showProgress(0, text("phaseStart"), text("drawing"));
}

/** Show an event of the drawing: its place in the queue, its progress, or a preview. */
export function showEvent(event) {
  if (event.kind === "partial_image") {
    showBlob(blobOf(event.b64_json, `image/${event.output_format ?? "png"}`));
  } else if (event.kind === "queued") {
    const waiting = text("phaseQueued", { position: event.position });
    showProgress(null, waiting, waiting);
  } else if (event.kind === "progress") {
    showPhase(event);
  }
}

/** End the progress. Without a new picture, the last one comes back. */
export function endProgress(message) {
  element("progress").hidden = true;
  element("frame").classList.remove("drawing");
  if (shown) showBlob(shown.blob);
  else picture.hidden = true;
  element("empty").hidden = shown !== null;
  element("frame").style.aspectRatio = "";
  describePicture();
  announce(message);
}

/** Say a sentence to screen readers, once. */
function announce(message) {
  if (message !== announced) element("status").textContent = message;
  announced = message;
}

function showBlob(blob) {
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(blob);
  picture.hidden = false;
  element("empty").hidden = true;
}

function showPhase({ phase, step, steps }) {
  if (phase === "sample") {
    showSteps(step, steps);
    return;
  }
  const title = text(PHASES[phase] ?? "phaseStart");
  if (steps > 1 && step > 0) {
    showProgress(step / steps, withPercent(title, step / steps), title);
  } else {
    showProgress(null, title, title);
  }
}

function showSteps(step, steps) {
  const now = performance.now();
  if (!sampling || step < sampling.step) sampling = { step, now };
  const title = text("phaseSample", { step, steps });
  const perStep = step > sampling.step ? (now - sampling.now) / (step - sampling.step) : 0;
  const seconds = Math.round((perStep * (steps - step)) / 1000);
  const visible = seconds > 0 ? text("progressLeft", { text: title, seconds }) : title;
  const quarters = Math.floor((ANNOUNCED * step) / steps) / ANNOUNCED;
  showProgress(step / steps, visible, withPercent(text("drawing"), quarters));
}

function withPercent(title, share) {
  return share > 0 ? text("progressPercent", { text: title, percent: Math.floor(100 * share) }) : title;
}

/** Show progress. `share` is null if it is unknown. */
function showProgress(share, visible, spoken) {
  const bar = element("bar");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
  element("progress-text").textContent = visible;
  announce(spoken);
}
