/* Classifies photos and the camera in the browser, with files of `export`. */

import { Camera } from "./camera.js";
import { middleSquare, resized } from "./square.js";
import { FilesetResolver, ImageClassifier } from "./vendor/vision_bundle.mjs";

const TOP = 5;
const TIMED_RUNS = 5;

const page = (id) => document.getElementById(id);
const percent = new Intl.NumberFormat("en", {
  style: "percent",
  maximumFractionDigits: 1,
});

let files = [];
let vision;
let classifier; // The one that answers, and its row of files.json.
let photo; // A canvas.
const frames = []; // When the last second's frames were classified.
const camera = new Camera(page("camera"), classifyFrame);

async function start() {
  files = await (await fetch("files.json")).json();
  for (const option of page("delegate").options) {
    const reason = whyNot(option.value);
    option.disabled = reason !== "";
    option.text += reason && ` (${reason})`;
  }
  // Past those that are disabled; an old choice may be one of them.
  page("delegate").value = page("delegate").querySelector(":enabled").value;
  vision = await FilesetResolver.forVisionTasks("vendor/wasm");
  await offer();
  // For use without a network; browsers have it for HTTPS and localhost.
  await navigator.serviceWorker?.register("offline.js");
}

/** Why nothing can run on "CPU" or "GPU"; empty if it can. */
function whyNot(delegate) {
  if (!files.some((file) => file.delegate === delegate)) {
    return `no file for it: export with --formats ${delegate === "GPU" ? "gpu" : "int8"}`;
  }
  const canvas = document.createElement("canvas");
  if (delegate === "GPU" && !canvas.getContext("webgl2")) {
    return "this browser has no WebGL 2";
  }
  return "";
}

/** Lists the files for the chosen delegate, and loads the first. */
async function offer() {
  list(page("delegate").value);
  await choose();
}

function list(delegate) {
  const offered = files.filter((file) => file.delegate === delegate);
  page("model").replaceChildren(
    ...offered.map(({ file, kilobytes }) => {
      const label = `${file}  (${kilobytes.toLocaleString("en")} KB)`;
      return new Option(label, file);
    }),
  );
}

/** Loads the chosen file; if it can't be, the last one stays. */
async function choose() {
  say("loading", "Loading\u2026");
  const chosen = files.find(({ file }) => file === page("model").value);
  let loaded;
  try {
    loaded = await ImageClassifier.createFromOptions(vision, {
      baseOptions: { modelAssetPath: chosen.file, delegate: chosen.delegate },
      maxResults: TOP,
    });
  } catch (error) {
    if (!classifier) throw error;
    page("delegate").value = classifier.delegate;
    list(classifier.delegate);
    page("model").value = classifier.file;
    throw new Error(
      `${chosen.file} can't be loaded (${error.message}). ${classifier.file} goes on.`,
    );
  }
  if (page("model").value !== chosen.file) {
    loaded.close(); // Another one was chosen meanwhile.
    return;
  }
  classifier?.run.close();
  classifier = { ...chosen, run: loaded };
  say("ready", "Ready.");
  if (!camera.isOn) classify();
}

/** Keeps an image, or what a video shows, and shows what is seen of it. */
function keep(source, width, height, name) {
  photo = document.createElement("canvas");
  photo.width = width;
  photo.height = height;
  photo.getContext("2d").drawImage(source, 0, 0);

  const view = page("view");
  const context = view.getContext("2d");
  context.imageSmoothingEnabled = Math.min(width, height) > view.width;
  const box = middleSquare(width, height, view.width);
  context.drawImage(photo, ...box, 0, 0, view.width, view.height);
  view.setAttribute("aria-label", `The middle of ${name}`);
  show("view");
  classify();
}

/** Forgets the photo, with its classes. */
function forget() {
  photo = undefined;
  page("classes").replaceChildren();
  show("hint");
}

/** Classifies the photo several times, to tell how long it takes. */
function classify() {
  if (!photo || !classifier) return;
  const image = resized(photo, photo.width, photo.height, classifier.size);
  const times = [];
  let result;
  for (let run = 0; run <= TIMED_RUNS; run++) {
    const began = performance.now();
    result = classifier.run.classify(image);
    times.push(performance.now() - began);
  }
  // The first run allocates.
  const median = times.slice(1).sort((a, b) => a - b)[TIMED_RUNS >> 1];
  const time = `${median.toFixed(1)} ms on the ${classifier.delegate}`;
  answer("done", result, `${time}, from the picture to the classes`);
}

/** Classifies what the camera shows now. */
function classifyFrame() {
  if (!classifier) return;
  const { videoWidth, videoHeight } = camera.video;
  const image = resized(camera.video, videoWidth, videoHeight, classifier.size);
  const result = classifier.run.classify(image);
  const now = performance.now();
  frames.push(now);
  while (frames[0] < now - 1000) frames.shift();
  answer("live", result, `${frames.length} frames per second on the ${classifier.delegate}`);
}

/** Shows the classes, and a line of text below. */
function answer(state, result, text) {
  // None if a file has a least score and no class reaches it.
  const categories = result.classifications[0]?.categories ?? [];
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

function shoot() {
  const { video } = camera;
  keep(video, video.videoWidth, video.videoHeight, "what the camera showed");
  camera.stop();
  show("view");
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
const guarded = (action) => async (event) => {
  try {
    await action(event);
  } catch (error) {
    if (!camera.isOn && page("view").hidden) forget();
    say("error", error.message);
  }
};

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
