// The settings of the form: choices from the server's models, and the fields of a request.

import { text } from "./texts.js";

const RATIOS = [[1, 1], [4, 3], [3, 4], [3, 2], [2, 3], [16, 9], [9, 16]];
const OTHER = "other";
const AUTOMATIC = "";
const MAX_SEED = 2n ** 63n - 1n;
const STORED = "gpustack-draw form";
// Fields of a request that the form shows; others are carried from a picture to its next drawing.
const SHOWN = new Set(
  "prompt negative_prompt size sampler scheduler sample_steps cfg_scale strength".split(" "),
);
const LORA_TAG = /\s*<lora:([^:<>]+)(?::([-+0-9.]+))?>/g;

const element = (id) => document.getElementById(id);
const byName = {
  prompt: element("prompt"),
  negative_prompt: element("negative-prompt"),
  sample_steps: element("steps"),
  cfg_scale: element("cfg-scale"),
  sampler: element("sampler"),
  scheduler: element("scheduler"),
};
const model = element("model");
const size = element("size");
const seed = element("seed");

let models = [];
let carried = {};
let hasPicture = false;

/** A value of the form that cannot be sent; `field` is its control. */
export class FormError extends Error {
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

/** Connect the controls with each other. */
export function connectForm() {
  model.addEventListener("change", showModel);
  size.addEventListener("change", showOwnSize);
  seed.addEventListener("input", () => chooseSeedKind("fixed"));
  for (const radio of document.getElementsByName("seed-kind")) {
    radio.addEventListener("change", () => radio.value === "fixed" && seed.focus());
  }
  element("lora-add").addEventListener("change", addChosenLora);
  element("carried-drop").addEventListener("click", () => {
    carry({});
    element("draw").focus();
  });
  addEventListener("pagehide", keepValues);
  element("prompt").addEventListener("input", growPrompt);
  const more = element("more");
  more.querySelector("summary").addEventListener("click", () => {
    setTimeout(() => more.open && more.scrollIntoView({ block: "nearest" }));
  });
  // The browser points at a wrong value only where it is visible.
  element("form").addEventListener("invalid", ({ target }) => {
    if (more.contains(target)) more.open = true;
  }, true);
}

/** Offer the models that the server lists. */
export function offerModels(listed) {
  models = listed;
  model.replaceChildren(...models.map(({ id }) => new Option(id, id)));
  element("model-field").hidden = models.length < 2;
  showModel();
  restoreValues();
}

/** Replace the models' descriptions, which the server may have completed meanwhile. */
export function updateModels(listed) {
  const names = (each) => each.map(({ id }) => id).join("\n");
  if (names(listed) !== names(models)) return;
  models = listed;
  showDefaults();
  rewriteForm();
}

/** Return the description of the chosen model. */
export function chosenMeta() {
  return models.find(({ id }) => id === model.value)?.meta ?? {};
}

/** Adapt the sizes to whether there is a picture to start from. */
export function setHasPicture(value) {
  const isNew = value && !hasPicture;
  hasPicture = value;
  showSizes();
  if (isNew) size.value = AUTOMATIC;
  showOwnSize();
}

/** Write the choices again, in another language. */
export function rewriteForm() {
  const chosen = ["size", "sampler", "scheduler"].map((id) => [element(id), element(id).value]);
  showChoices();
  for (const [select, value] of chosen) select.value = value;
  for (const { row, name } of loraRows()) nameLoraControls(row, name);
  showOwnSize();
}

/** Return the fields of a request, without the pictures. The seed is text: it may be a large number. */
export function readFields() {
  const fields = { ...carried };
  if (models.length) fields.model = model.value;
  for (const [name, control] of Object.entries(byName)) {
    if (control.value !== "") fields[name] = control.type === "number" ? +control.value : control.value;
  }
  if (!fields.prompt?.trim()) throw new FormError(text("emptyPrompt"), byName.prompt);
  if (size.value === OTHER) fields.size = `${element("width").value}x${element("height").value}`;
  else if (size.value !== AUTOMATIC) fields.size = size.value;
  const loras = loraRows().map(({ name, weight }) => ({ name, weight: +weight.value }));
  if (loras.length) fields.loras = loras;
  return fields;
}

/** Return the fixed seed as text, or null for a random one. */
export function readSeed() {
  if (seedKind() === "random") return null;
  const typed = seed.value.trim();
  if (!/^[0-9]{1,19}$/.test(typed) || BigInt(typed) > MAX_SEED) {
    throw new FormError(text("wrongSeed"), seed);
  }
  return BigInt(typed).toString();
}

/** Fill the form with the parameters of a picture of the gallery. */
export function fillForm(item) {
  if (item.served_model) model.value = item.served_model;
  showModel();
  const { fields } = item;
  const offered = new Set(chosenMeta().loras ?? []);
  clearLoras();
  const prompt = (fields.prompt ?? "").replace(LORA_TAG, (tag, name, weight) => {
    if (!offered.has(name)) return tag;
    addLora(name, weight ?? 1);
    return "";
  });
  for (const [name, control] of Object.entries(byName)) setValue(control, fields[name] ?? "");
  byName.prompt.value = prompt;
  growPrompt();
  if (loraRows().length || fields.negative_prompt) element("more").open = true;
  if (fields.size) chooseSize(fields.size);
  if (fields.strength !== undefined) {
    element("strength").value = fields.strength;
    element("strength").dispatchEvent(new Event("input"));
  }
  chooseSeedKind(item.seed === null ? "random" : "fixed");
  seed.value = item.seed ?? "";
  carry(Object.fromEntries(Object.entries(fields).filter(([name]) => !SHOWN.has(name))));
}

/** Let the next drawing have another seed. */
export function chooseRandomSeed() {
  chooseSeedKind("random");
}

/** Show a seed beside "fixed" without fixing it, so that one click keeps it. */
export function suggestSeed(value) {
  if (seedKind() === "random") seed.value = value;
}

function showModel() {
  showDefaults();
  clearLoras();
  carry({});
  showChoices();
}

function showDefaults() {
  const meta = chosenMeta();
  element("steps").placeholder = meta.sampling_steps ?? "";
  element("cfg-scale").placeholder = meta.cfg_scale ?? "";
  element("width").max = meta.max_width ?? 8192;
  element("height").max = meta.max_height ?? 8192;
  element("picture-in").hidden = meta.image_use === "none";
  if (meta.strength) element("strength").value = meta.strength;
  element("strength").dispatchEvent(new Event("input"));
}

function showChoices() {
  const meta = chosenMeta();
  offer(element("sampler"), meta.samplers, meta.sample_method);
  offer(element("scheduler"), meta.schedulers, meta.schedule_method);
  showSizes();
  const loras = meta.loras ?? [];
  element("loras").hidden = !loras.length;
  offer(element("lora-add"), loras);
  element("lora-add").options[0].text = text("loraAddChoice");
}

function offer(select, names = [], usual = "") {
  const automatic = text("automatic") + (usual ? ` (${usual})` : "");
  const options = names.map((name) => new Option(name, name));
  select.replaceChildren(new Option(automatic, AUTOMATIC), ...options);
}

function showSizes() {
  const chosen = size.value;
  const { default_width: width = 512, default_height: height = 512 } = chosenMeta();
  const sizes = RATIOS.map(([x, y]) => sizeOf(width * height, x / y));
  const options = [...new Set([`${width}x${height}`, ...sizes])].map(
    (value) => new Option(value.replace("x", " × "), value),
  );
  if (hasPicture) options.unshift(new Option(text("asThePicture"), AUTOMATIC));
  size.replaceChildren(...options, new Option(text("otherSize"), OTHER));
  if (offers(size, chosen)) size.value = chosen;
  showOwnSize();
}

/** Return a size with about as many pixels as another one, in the steps and limits of the model. */
function sizeOf(pixels, ratio) {
  const { size_multiple: multiple = 16, max_width = 8192, max_height = 8192 } = chosenMeta();
  const round = (side, max) => Math.min(Math.max(1, Math.round(side / multiple)) * multiple, max);
  const width = round(Math.sqrt(pixels * ratio), max_width);
  return `${width}x${round(Math.sqrt(pixels / ratio), max_height)}`;
}

function chooseSize(value) {
  if (offers(size, value)) {
    size.value = value;
  } else {
    size.value = OTHER;
    [element("width").value, element("height").value] = value.split("x");
  }
  showOwnSize();
}

function showOwnSize() {
  const isHidden = size.value !== OTHER;
  element("own-size").hidden = isHidden;
  for (const id of ["width", "height"]) element(id).disabled = isHidden; // never checked unseen
  const { default_width = 512, default_height = 512 } = chosenMeta();
  element("width").value ||= default_width;
  element("height").value ||= default_height;
}

function seedKind() {
  return document.querySelector("[name=seed-kind]:checked").value;
}

function chooseSeedKind(kind) {
  document.querySelector(`[name=seed-kind][value=${kind}]`).checked = true;
}

/** True if a control can have a value: a list has some, other controls have any. */
function offers(control, value) {
  const options = control instanceof HTMLSelectElement ? [...control.options] : null;
  return options === null || options.some((option) => option.value === value);
}

/** Set a control, also to a name that it does not offer. */
function setValue(control, value) {
  if (!offers(control, value)) control.add(new Option(value, value));
  control.value = value;
}

function carry(fields) {
  carried = fields;
  const pairs = Object.entries(fields).map(([name, value]) => `${name} ${value}`);
  element("carried-list").textContent = pairs.join(", ");
  element("carried").hidden = !pairs.length;
  if (pairs.length) element("more").open = true;
}

function loraRows() {
  return [...element("lora-list").children].map((row) => ({
    row,
    name: row.dataset.name,
    weight: row.querySelector("input"),
  }));
}

function addChosenLora() {
  const select = element("lora-add");
  const name = select.value;
  select.value = AUTOMATIC;
  if (name === AUTOMATIC || loraRows().some((row) => row.name === name)) return;
  addLora(name, 1).querySelector("input").focus();
}

function addLora(name, weight) {
  const row = document.createElement("li");
  row.dataset.name = name;
  const title = Object.assign(document.createElement("span"), { textContent: name });
  const input = document.createElement("input");
  Object.assign(input, { type: "number", step: "0.05", value: weight });
  const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
  remove.addEventListener("click", () => {
    row.remove();
    element("lora-add").focus();
  });
  row.append(title, input, remove);
  nameLoraControls(row, name);
  element("lora-list").append(row);
  return row;
}

function nameLoraControls(row, name) {
  row.querySelector("input").ariaLabel = text("loraWeight", { name });
  row.querySelector("button").ariaLabel = text("loraRemove", { name });
}

function clearLoras() {
  element("lora-list").replaceChildren();
}

/** Fit the height of the prompt to its text; browsers with `field-sizing` do it themselves. */
function growPrompt() {
  if (CSS.supports("field-sizing", "content")) return;
  byName.prompt.style.height = "auto";
  byName.prompt.style.height = `${byName.prompt.scrollHeight}px`;
}

/** Store the typed values for a reload of the page. */
function keepValues() {
  const typed = "#form :is(input[type=text], input[type=number], textarea, select)[id]";
  const controls = [...document.querySelectorAll(typed)];
  const values = Object.fromEntries(controls.map(({ id, value }) => [id, value]));
  sessionStorage.setItem(STORED, JSON.stringify({ ...values, seedKind: seedKind() }));
}

function restoreValues() {
  const { seedKind: kind, ...values } = JSON.parse(sessionStorage.getItem(STORED) ?? "{}");
  if (kind) chooseSeedKind(kind);
  if (values.model && models.some(({ id }) => id === values.model)) {
    model.value = values.model;
    showModel();
  }
  for (const [id, value] of Object.entries(values)) {
    if (id !== "model" && offers(element(id), value)) element(id).value = value;
  }
  showOwnSize();
  growPrompt();
}
