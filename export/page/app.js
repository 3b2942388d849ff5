/* Classifies photos and the camera in the browser, with files of `export`. */

import { Camera } from "./camera.js";
import { load, unsupported } from "./classifiers.js";
import { middleSquare, resized } from "./square.js";

const TIMED_RUNS = 5;
const DELEGATES = {
  CPU: "CPU",
  WebGL: "GPU with WebGL",
  WebGPU: "GPU with WebGPU",
};

const page = (id) => document.getElementById(id);
const percent = new Intl.NumberFormat("en", {
  style: "percent",
  maximumFractionDigits: 1,
});

let files = [];
let classifier; // What answers, its row of files.json and where it runs.
let photo; // A canvas.
const frames = []; // When the last second's frames were classified.
const camera = new Camera(page("camera"), guarded(classifyFrame));

async function start() {
  files = await (await fetch("files.json")).json();
  for (const [delegate, name] of Object.entries(DELEGATES)) {
    page("delegate").add(new Option(name, delegate));
    const reason = await whyNot(delegate);
    if (reason) disable(delegate, reason);
  }
  page("delegate").value = page("delegate").querySelector(":enabled").value;
  await offer();
  // For use without a network; browsers have it for HTTPS and localhost.
  await navigator.serviceWorker?.register("offline.js");
}

/** Whether a file is for the CPU or for a GPU, whatever its delegate uses. */
const isFor = (delegate) => (file) =>
  file.delegate === (delegate === "CPU" ? "CPU" : "GPU");

/** Why nothing can run on a delegate; empty if it can. */
async function whyNot(delegate) {
  if (!files.some(isFor(delegate))) {
    const format = delegate === "CPU" ? "int8" : "gpu";
    return `no file for it: export with --formats ${format}`;
  }
  return unsupported(delegate);
}

function disable(delegate, reason) {
  const option = page("delegate").querySelector(`[value=${delegate}]`);
  option.disabled = true;
  option.text = `${DELEGATES[delegate]} (${reason})`;
}

/** Lists the files for the chosen delegate, and loads the first. */
async function offer() {
  list(page("delegate").value);
  await choose();
}

function list(delegate) {
  page("model").replaceChildren(
    ...files.filter(isFor(delegate)).map(({ file, kilobytes }) => {
      const label = `${file}  (${kilobytes.toLocaleString("en")} KB)`;
      return new Option(label, file);
    }),
  );
}

/** Loads the chosen file; if it can't be, the last one stays. */
async function choose() {
  say("loading", "Loading\u2026");
  const delegate = page("delegate").value;
  const chosen = files.find(({ file }) => file === page("model").value);
  let run;
  try {
    run = await load(chosen, delegate);
  } catch (error) {
    if (!classifier) throw error;
    page("delegate").value = classifier.on;
    list(classifier.on);
    page("model").value = classifier.file;
    throw new Error(
      `${chosen.file} can't be loaded on the ${DELEGATES[delegate]} ` +
        `(${error.message}). ${classifier.file} goes on.`,
    );
  }
  if (
    page("model").value !== chosen.file ||
    page("delegate").value !== delegate
  ) {
    run.close(); // Another one was chosen meanwhile.
    return;
  }
  classifier?.run.close();
  classifier = { ...chosen, on: delegate, run };
  say("ready", "Ready.");
  if (!camera.isOn) await classify();
}

/** What the classifier says of an image; if it fails, the CPU takes over. */
async function run(image) {
  const { file, on } = classifier;
  try {
    return await classifier.run.classify(image);
  } catch (error) {
    if (on === "CPU" || !files.some(isFor("CPU"))) throw error;
    disable(on, "failed");
    page("delegate").value = "CPU";
    await offer();
    throw new Error(
      `${file} failed on the ${DELEGATES[on]} (${error.message}). ` +
        `${classifier.file} goes on, on the CPU.`,
    );
  }
}

/** Keeps an image, or what a video shows now, and shows its middle. */
function keep(source, width, height, name) {
  photo = document.createElement("canvas");
  photo.width = width;
  photo.height = height;
  let context = photo.getContext("2d");
  context.fillStyle = "white"; // Where it is transparent, as in evaluation.
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0);

  const view = page("view");
  context = view.getContext("2d");
  context.imageSmoothingEnabled = Math.min(width, height) > view.width;
  const box = middleSquare(width, height, view.width);
  context.drawImage(photo, ...box, 0, 0, view.width, view.height);
  view.setAttribute("aria-label", `The middle of ${name}`);
  show("view");
}

/** Forgets the photo, with its classes. */
function forget() {
  photo = undefined;
  page("classes").replaceChildren();
  show("hint");
}

/** Classifies the photo several times, to tell how long it takes. */
async function classify() {
  if (!photo || !classifier) return;
  const asked = { photo, classifier };
  const image = resized(photo, photo.width, photo.height, classifier.size);
  const times = [];
  let categories;
  for (let count = 0; count <= TIMED_RUNS; count++) {
    const began = performance.now();
    categories = await run(image);
    times.push(performance.now() - began);
  }
  // Another one was chosen meanwhile.
  if (asked.photo !== photo || asked.classifier !== classifier) return;
  // The first run allocates.
  const median = times.slice(1).sort((a, b) => a - b)[TIMED_RUNS >> 1];
  const time = `${median.toFixed(1)} ms on the ${DELEGATES[classifier.on]}`;
  answer("done", categories, `${time}, from the picture to the classes`);
}

/** Classifies what the camera shows now. */
async function classifyFrame() {
  if (!classifier) return;
  const { videoWidth, videoHeight } = camera.video;
  const image = resized(camera.video, videoWidth, videoHeight, classifier.size);
  const categories = await run(image);
  if (!camera.isOn) return; // It was stopped meanwhile.
  const now = performance.now();
  frames.push(now);
  while (frames[0] < now - 1000) frames.shift();
  const rate = `${frames.length} frames per second`;
  answer("live", categories, `${rate} on the ${DELEGATES[classifier.on]}`);
}

/** Shows the classes, and a line of text below. */
function answer(state, categories, text) {
  page("classes").replaceChildren(...categories.map(bar));
  say(state, `${categories.length ? "" : "Not sure. "}${text}`);
}

/** A line of the answer. */
function bar({ categoryName, score }) {
  const item = document.createElement("li");
  const row = document.createElement("div");
  row.className = "row";
  const name = document.createElement("span");
  name.textContent = categoryName;
  const share = document.createElement("span");
  share.textContent = percent.format(score);
  row.append(name, share);
  const meter = document.createElement("meter");
  meter.setAttribute("aria-label", categoryName);
  meter.value = score;
  item.append(row, meter);
  return item;
}

async function open(file) {
  if (!file) return;
  camera.stop();
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    forget();
    const kind = file.name.split(".").pop().toUpperCase();
    throw new Error(
      `${file.name} can't be read: this browser decodes no such ${kind}. ` +
        "JPEG, PNG and WebP work everywhere.",
    );
  }
  keep(bitmap, bitmap.width, bitmap.height, file.name);
  await classify();
}

async function useCamera() {
  if (camera.isOn) {
    stopCamera();
    return;
  }
  forget();
  await camera.start();
  show("camera");
}

function stopCamera() {
  camera.stop();
  forget();
  say("ready", "Ready.");
}

async function shoot() {
  const { video } = camera;
  keep(video, video.videoWidth, video.videoHeight, "what the camera showed");
  camera.stop();
  await classify();
}

/** Shows the hint, the photo or the camera, and the buttons that go with it. */
function show(name) {
  for (const id of ["hint", "view", "camera"]) page(id).hidden = id !== name;
  page("shoot").hidden = page("turn").hidden = name !== "camera";
  page("use-camera").textContent = name === "camera" ? "Stop camera" : "Camera";
  // A screen reader would not come to an end.
  const live = name === "camera" ? "off" : "polite";
  for (const id of ["classes", "status"]) page(id).setAttribute("aria-live", live);
}

function say(state, text) {
  page("status").dataset.state = state;
  page("status").textContent = text;
}

/** What goes wrong is said on the page. */
function guarded(action) {
  return async (event) => {
    try {
      await action(event);
    } catch (error) {
      if (!camera.isOn && page("view").hidden) forget();
      say("error", error.message);
    }
  };
}

page("delegate").addEventListener("change", guarded(offer));
page("model").addEventListener("change", guarded(choose));
page("photo").addEventListener(
  "change",
  guarded(async ({ target }) => {
    const [file] = target.files;
    target.value = ""; // Or the same file can't be picked again.
    await open(file);
  }),
);
page("use-camera").addEventListener("click", guarded(useCamera));
page("turn").addEventListener("click", guarded(() => camera.turn()));
page("shoot").addEventListener("click", guarded(shoot));
for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
  page("drop").addEventListener(type, guarded(async (event) => {
    event.preventDefault();
    page("drop").classList.toggle("over", type === "dragover");
    if (type === "drop") await open(event.dataTransfer.files[0]);
  }));
}
guarded(start)();
