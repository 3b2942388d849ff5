/* Classifies photos and the camera in the browser, with files of `export`. */

import { Camera } from "./camera.js";
import { load, unsupported } from "./classifiers.js";
import { middleSquare, resized } from "./square.js";
import { answer, page, say, show } from "./view.js";

const TIMED_RUNS = 5;
const MAX_PIXELS = 89478485; // As in keras_convmixer/data/decode.py.
const DELEGATES = {
  CPU: "CPU",
  WebGL: "GPU with WebGL",
  WebGPU: "GPU with WebGPU",
};

let files = [];
let classifier; // What answers, its row of files.json and where it runs.
let photo; // An ImageBitmap.
let picked; // The file that was picked last; none once the camera is used.
const frames = []; // When the last second's frames were classified.
const camera = new Camera(
  page("camera"),
  guarded(classifyFrame),
  guarded(cameraEnded),
);

async function start() {
  const worker = navigator.serviceWorker; // Browsers have it for HTTPS and localhost.
  // A new version: this page's files and rows are those of the old one.
  if (worker?.controller?.scriptURL === new URL("offline.js", location).href) {
    worker.addEventListener("controllerchange", () => location.reload());
  }
  files = await (await fetch("files.json")).json();
  for (const [delegate, name] of Object.entries(DELEGATES)) {
    page("delegate").add(new Option(name, delegate));
    const reason = await whyNot(delegate);
    if (reason) disable(delegate, reason);
  }
  const first = page("delegate").querySelector(":enabled");
  if (!first) throw new Error("No file can run in this browser: see below why.");
  page("delegate").value = first.value;
  await offer();
  // For use without a network. All else works where it is refused.
  await worker?.register("offline.js", { updateViaCache: "none" }).catch(() => {});
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
  const isWanted = () =>
    page("model").value === chosen.file && page("delegate").value === delegate;
  let run;
  try {
    run = await load(chosen, delegate);
  } catch (error) {
    if (!isWanted()) return; // Another one was chosen meanwhile.
    if (!classifier) throw error;
    page("delegate").value = classifier.on;
    list(classifier.on);
    page("model").value = classifier.file;
    throw new Error(
      `${chosen.file} can't be loaded on the ${DELEGATES[delegate]} ` +
        `(${inWords(error)}). ${classifier.file} goes on.`,
    );
  }
  if (!isWanted()) {
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
    const categories = await classifier.run.classify(image);
    if (!categories.every(({ score }) => Number.isFinite(score))) {
      throw new Error("its scores are no numbers");
    }
    return categories;
  } catch (error) {
    if (on === "CPU" || !files.some(isFor("CPU"))) {
      camera.stop(); // Or each frame would fail.
      page("classes").replaceChildren(); // Of an earlier picture.
      throw error;
    }
    disable(on, "failed");
    page("delegate").value = "CPU";
    await offer();
    // The next frame of a camera would take the place of the error.
    classifier.note = `; ${file} failed on the ${DELEGATES[on]}`;
    throw new Error(
      `${file} failed on the ${DELEGATES[on]} (${inWords(error)}). ` +
        `${classifier.file} goes on, on the CPU.`,
    );
  }
}

/** Keeps an image, and shows its middle. */
function keep(bitmap, name) {
  photo = bitmap;
  const { width, height } = photo;
  const view = page("view");
  const context = view.getContext("2d");
  context.fillStyle = "white"; // Where it is transparent, as in evaluation.
  context.fillRect(0, 0, view.width, view.height);
  context.imageSmoothingEnabled = Math.min(width, height) > view.width;
  const box = middleSquare(width, height, view.width);
  context.drawImage(photo, ...box, 0, 0, view.width, view.height);
  view.setAttribute("aria-label", `The middle of ${name}`);
  show("view");
}

/** Forgets the photo, with its classes. */
function forget() {
  photo?.close();
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
  const { videoWidth, videoHeight, srcObject } = camera.video;
  const image = resized(camera.video, videoWidth, videoHeight, classifier.size);
  const categories = await run(image);
  if (camera.video.srcObject !== srcObject) return; // It was stopped meanwhile.
  const now = performance.now();
  frames.push(now);
  while (frames[0] < now - 1000) frames.shift();
  const rate = `${frames.length} frames per second`;
  const { on, note = "" } = classifier;
  answer("live", categories, `${rate} on the ${DELEGATES[on]}${note}`);
}

async function open(file) {
  if (!file) return;
  picked = file;
  camera.stop();
  forget();
  let bitmap;
  try {
    // As in evaluation, which looks at no colour profile.
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    if (picked !== file) return;
    const kind = file.name.split(".").pop().toUpperCase();
    throw new Error(
      `${file.name} can't be read: it is damaged, or this browser decodes no ` +
        `such ${kind}. JPEG, PNG and WebP work everywhere.`,
    );
  }
  if (picked !== file) {
    bitmap.close(); // Another one was picked meanwhile.
    return;
  }
  if (bitmap.width * bitmap.height > MAX_PIXELS) {
    bitmap.close();
    throw new Error(
      `${file.name} has more than ${MAX_PIXELS.toLocaleString("en")} pixels`,
    );
  }
  keep(bitmap, file.name);
  await classify();
}

async function useCamera() {
  if (camera.isOn) {
    stopCamera();
    return;
  }
  picked = undefined;
  forget();
  show("camera");
  await camera.start();
}

function cameraEnded() {
  camera.stop();
  throw new Error("The camera has ended.");
}

function stopCamera() {
  camera.stop();
  forget();
  say("ready", "Ready.");
}

async function shoot() {
  if (!camera.video.videoWidth) return; // It is starting.
  const bitmap = await createImageBitmap(camera.video);
  if (!camera.isOn) return; // It was stopped meanwhile.
  camera.stop();
  keep(bitmap, "what the camera showed");
  page("use-camera").focus(); // This button is gone.
  await classify();
}

/** What a script that can't be loaded rejects with has no message. */
const inWords = (error) =>
  error.message ?? "a part of the page can't be loaded: is its server there?";

/** What goes wrong is said on the page. */
function guarded(action) {
  return async (event) => {
    try {
      await action(event);
    } catch (error) {
      if (!camera.isOn && page("view").hidden) forget();
      say("error", inWords(error));
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
// Beside it, a browser would leave the page for the photo.
for (const type of ["dragover", "drop"]) {
  addEventListener(type, (event) => event.preventDefault());
}
guarded(start)();
