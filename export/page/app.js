/* Classifies pictures in the browser with a file that `export` wrote. */

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
let classifier;
let photo;

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
  const offered = files.filter((file) => file.delegate === page("delegate").value);
  page("model").replaceChildren(
    ...offered.map(({ file, kilobytes }) => {
      const label = `${file}  (${kilobytes.toLocaleString("en")} KB)`;
      return new Option(label, file);
    }),
  );
  await choose();
}

/** Loads the chosen file and, if there is a photo, classifies it. */
async function choose() {
  say("loading", "Loading\u2026");
  const delegate = page("delegate").value;
  classifier?.close();
  classifier = undefined;
  classifier = await ImageClassifier.createFromOptions(vision, {
    baseOptions: { modelAssetPath: page("model").value, delegate },
    maxResults: TOP,
  });
  say("ready", "Ready.");
  classify();
}

/** Keeps an image, or what a video shows, and shows what is seen of it. */
function keep(source, width, height) {
  photo = document.createElement("canvas");
  photo.width = width;
  photo.height = height;
  photo.getContext("2d").drawImage(source, 0, 0);

  const view = page("view");
  const context = view.getContext("2d");
  context.imageSmoothingEnabled = Math.min(width, height) > view.width;
  const box = middleSquare(width, height, view.width);
  context.drawImage(photo, ...box, 0, 0, view.width, view.height);
  show("view");
  classify();
}

/**
 * Left, top, width and height of what a model of that size sees of a photo, as
 * `keras_convmixer/data/crop.py` has it.
 */
function middleSquare(width, height, size) {
  const short = Math.min(width, height);
  const [x, y] = [width, height].map((side) => {
    const resized = Math.floor((side * size) / short);
    const scale = side / resized;
    return [roundHalfToEven((resized - size) / 2) * scale, size * scale];
  });
  return [x[0], y[0], x[1], y[1]];
}

function roundHalfToEven(value) {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

/** The photo's square in the size of the model, halved as long as it can be. */
function resized(size) {
  let source = photo;
  let box = middleSquare(photo.width, photo.height, size);
  let side = Math.min(photo.width, photo.height);
  do {
    side = side < size ? size : Math.max(size, Math.ceil(side / 2));
    const smaller = document.createElement("canvas");
    smaller.width = smaller.height = side;
    const context = smaller.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(source, ...box, 0, 0, side, side);
    source = smaller;
    box = [0, 0, side, side];
  } while (side !== size);
  return source;
}

function classify() {
  if (!photo || !classifier) return;
  const { size, delegate } = files.find(({ file }) => file === page("model").value);
  const image = resized(size);
  const times = [];
  let result;
  for (let run = 0; run <= TIMED_RUNS; run++) {
    const began = performance.now();
    result = classifier.classify(image);
    times.push(performance.now() - began);
  }
  // The first run allocates.
  const median = times.slice(1).sort((a, b) => a - b)[TIMED_RUNS >> 1];

  // None if a file has a least score and no class reaches it.
  const categories = result.classifications[0]?.categories ?? [];
  page("classes").replaceChildren(...categories.map(bar));
  const time = `${median.toFixed(1)} ms on the ${delegate}`;
  const unsure = categories.length ? "" : "Not sure. ";
  say("done", `${unsure}${time}, from the picture to the classes`);
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
  meter.value = score;
  item.append(row, meter);
  return item;
}

async function open(file) {
  if (!file) return;
  const bitmap = await createImageBitmap(file);
  keep(bitmap, bitmap.width, bitmap.height);
}

async function useCamera() {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment" },
  });
  const camera = page("camera");
  camera.srcObject = stream;
  await camera.play();
  show("camera");
}

function shoot() {
  const camera = page("camera");
  keep(camera, camera.videoWidth, camera.videoHeight);
  for (const track of camera.srcObject.getTracks()) track.stop();
}

/** Shows the picture or the camera, and the button that goes with it. */
function show(name) {
  page("hint").hidden = true;
  page("view").hidden = name !== "view";
  page("camera").hidden = name !== "camera";
  page("shoot").hidden = name !== "camera";
  page("use-camera").hidden = name === "camera";
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
    say("error", error.message);
  }
};

page("delegate").addEventListener("change", guarded(offer));
page("model").addEventListener("change", guarded(choose));
page("photo").addEventListener("change", guarded((event) => open(event.target.files[0])));
page("use-camera").addEventListener("click", guarded(useCamera));
page("shoot").addEventListener("click", guarded(shoot));
page("drop").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") page("photo").click();
});
for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
  page("drop").addEventListener(type, guarded(async (event) => {
    event.preventDefault();
    page("drop").classList.toggle("over", type === "dragover");
    if (type === "drop") await open(event.dataTransfer.files[0]);
  }));
}
guarded(start)();
