// The editor of the mask: an area of a picture, marked with a brush, in rectangles, or by numbers.
// The mask is a list of operations, so that each one can be undone.

import { text } from "./texts.js";

const element = (id) => document.getElementById(id);
const dialog = element("mask-editor");
const canvas = element("mask-canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const MAX_SAMPLES = 200; // sides of the small copy on which the marked share is counted

let operations = [];
let stroke = null; // the operation that a pointer is drawing

/** Connect the controls of the editor. */
export function connectMaskEditor() {
  canvas.addEventListener("pointerdown", beginStroke);
  canvas.addEventListener("pointermove", continueStroke);
  canvas.addEventListener("pointerup", endStroke);
  canvas.addEventListener("pointercancel", endStroke);
  element("mask-undo").addEventListener("click", undo);
  element("mask-clear").addEventListener("click", () => add({ kind: "clear" }));
  element("mask-whole").addEventListener("click", () => {
    add(rectangle(0, 0, canvas.width, canvas.height));
  });
  element("rect-add").addEventListener("click", addTypedRectangle);
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      undo();
    }
  });
  for (const radio of document.getElementsByName("tool")) radio.addEventListener("change", showTool);
  new ResizeObserver(fitToView).observe(element("mask-view"));
}

/**
 * Let the user mark an area of a picture.
 *
 * @param picture An ImageBitmap.
 * @param mask The operations of an earlier mask.
 * @returns A promise of the operations; of null if the user went back.
 */
export function editMask(picture, mask) {
  for (const each of [canvas, element("mask-picture")]) {
    each.width = picture.width;
    each.height = picture.height;
  }
  element("mask-picture").getContext("2d").drawImage(picture, 0, 0);
  limitTypedRectangle(picture);
  operations = [...mask];
  dialog.returnValue = "";
  dialog.showModal();
  redraw();
  return new Promise((resolve) => {
    const closed = () => resolve(dialog.returnValue === "done" ? operations : null);
    dialog.addEventListener("close", closed, { once: true });
  });
}

/** Draw the mask of operations on a canvas context of the picture's size, in one color. */
export function drawMask(context, operations, color) {
  context.fillStyle = context.strokeStyle = color;
  context.lineCap = context.lineJoin = "round";
  for (const operation of operations) drawOperation(context, operation);
  context.globalCompositeOperation = "source-over";
}

/** Return a PNG file of a mask, white on black; a promise. */
export function maskFile(operations, width, height) {
  const own = Object.assign(document.createElement("canvas"), { width, height });
  const context = own.getContext("2d");
  drawMask(context, operations, "#fff");
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  return new Promise((resolve) => own.toBlob(resolve, "image/png"));
}

/** Return the marked share of a picture, 0 to 1, counted on a small copy. */
function markedShare(operations, width, height) {
  const scale = Math.min(1, MAX_SAMPLES / Math.max(width, height));
  const own = Object.assign(document.createElement("canvas"), {
    width: Math.ceil(width * scale),
    height: Math.ceil(height * scale),
  });
  const small = own.getContext("2d", { willReadFrequently: true });
  small.scale(scale, scale);
  drawMask(small, operations, "#fff");
  const { data } = small.getImageData(0, 0, own.width, own.height);
  let sum = 0;
  for (let index = 3; index < data.length; index += 4) sum += data[index];
  return sum / 255 / (own.width * own.height);
}

function drawOperation(context, operation) {
  context.globalCompositeOperation = operation.erases ? "destination-out" : "source-over";
  if (operation.kind === "clear") {
    context.clearRect(0, 0, 1e5, 1e5);
  } else if (operation.kind === "rectangle") {
    context.fillRect(operation.x, operation.y, operation.width, operation.height);
  } else {
    context.lineWidth = operation.size;
    context.beginPath();
    for (const [x, y] of operation.points) context.lineTo(x, y);
    const [x, y] = operation.points.at(-1);
    context.lineTo(x + 0.01, y); // a line of no length, from a click, would not be drawn
    context.stroke();
  }
}

function rectangle(x, y, width, height) {
  return { kind: "rectangle", x, y, width, height };
}

function add(operation) {
  operations.push(operation);
  redraw();
}

function undo() {
  operations.pop();
  redraw();
}

function limitTypedRectangle({ width, height }) {
  Object.assign(element("rect-left"), { max: width - 1, value: 0 });
  Object.assign(element("rect-top"), { max: height - 1, value: 0 });
  Object.assign(element("rect-width"), { max: width, value: width });
  Object.assign(element("rect-height"), { max: height, value: height });
}

function addTypedRectangle() {
  const names = ["rect-left", "rect-top", "rect-width", "rect-height"];
  const [x, y, width, height] = names.map((name) => +element(name).value);
  if (width > 0 && height > 0) add(rectangle(x, y, width, height));
}

function redraw() {
  context.clearRect(0, 0, canvas.width, canvas.height);
  const color = getComputedStyle(canvas).getPropertyValue("--mask");
  drawMask(context, stroke ? [...operations, stroke] : operations, color);
  if (stroke) return;
  const percent = Math.round(100 * markedShare(operations, canvas.width, canvas.height));
  element("mask-state").textContent = text("maskState", { percent });
  element("mask-undo").disabled = element("mask-clear").disabled = !operations.length;
}

function chosenTool() {
  return document.querySelector("[name=tool]:checked").value;
}

function showTool() {
  element("brush-size").disabled = chosenTool() === "rectangle";
}

function beginStroke(event) {
  if (stroke || event.button > 0) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  const point = pointOf(event);
  const tool = chosenTool();
  const size = (element("brush-size").value / 100) * Math.min(canvas.width, canvas.height);
  stroke =
    tool === "rectangle"
      ? { ...rectangle(...point, 0, 0), pointer: event.pointerId }
      : { kind: "line", erases: tool === "eraser", size, points: [point], pointer: event.pointerId };
  redraw();
}

function continueStroke(event) {
  if (stroke?.pointer !== event.pointerId) return;
  for (const each of event.getCoalescedEvents?.() ?? [event]) extend(pointOf(each));
  redraw();
}

function endStroke(event) {
  if (stroke?.pointer !== event.pointerId) return;
  const { pointer, ...operation } = stroke;
  stroke = null;
  const isEmpty = operation.kind === "rectangle" && !(operation.width && operation.height);
  if (!isEmpty) operations.push(operation);
  redraw();
}

function extend([x, y]) {
  if (stroke.kind === "line") {
    stroke.points.push([x, y]);
  } else {
    stroke.width = x - stroke.x;
    stroke.height = y - stroke.y;
  }
}

function pointOf(event) {
  const box = canvas.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * canvas.width;
  const y = ((event.clientY - box.top) / box.height) * canvas.height;
  return [Math.min(Math.max(x, 0), canvas.width), Math.min(Math.max(y, 0), canvas.height)];
}

/** Fit the picture to the dialog. Small ones grow: a mask is hard to paint on 256 pixels. */
function fitToView() {
  const { width, height } = canvas;
  const view = element("mask-view");
  const scale = Math.min(view.clientWidth / width, view.clientHeight / height);
  element("mask-stack").style.width = `${Math.floor(width * scale)}px`;
  element("mask-stack").style.height = `${Math.floor(height * scale)}px`;
}
