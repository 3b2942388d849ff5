/* The runtimes behind one interface: MediaPipe for the CPU and WebGL, LiteRT.js for WebGPU. */

import { FilesetResolver, ImageClassifier } from "./vendor/vision_bundle.js";

const TOP = 5;
const WEBGPU_RUNTIME = "vendor/litert/litert_wasm_compat_internal.js";

let vision; // MediaPipe's and LiteRT.js' WebAssembly, once one is needed.
let litert;

/** Why this browser can't run "CPU", "WebGL" or "WebGPU"; empty if it can. */
export async function unsupported(delegate) {
  if (delegate === "WebGL") {
    const canvas = document.createElement("canvas");
    if (!canvas.getContext("webgl2")) return "this browser has no WebGL 2";
  }
  if (delegate === "WebGPU") {
    if (!isSecureContext) return "it needs HTTPS or localhost";
    if (!(await navigator.gpu?.requestAdapter())) {
      return "this browser has no WebGPU";
    }
  }
  return "";
}

/**
 * Loads a file, by its row of files.json, to run on a delegate.
 *
 * Of the result, `classify` takes a canvas of the model's size and resolves to
 * the five best `{ categoryName, score }`, best first, without those below the
 * file's threshold. `close` frees its memory.
 */
export function load(row, delegate) {
  const address = encodeURIComponent(row.file);
  return delegate === "WebGPU"
    ? loadLiteRT(row, address)
    : loadMediaPipe(row, address);
}

async function loadMediaPipe({ delegate }, address) {
  vision ??= FilesetResolver.forVisionTasks("vendor/wasm");
  const classifier = await ImageClassifier.createFromOptions(await vision, {
    baseOptions: { modelAssetPath: address, delegate },
    maxResults: TOP,
  });
  return {
    // It has no classifications if no class reaches the file's threshold.
    classify: async (canvas) =>
      classifier.classify(canvas).classifications[0]?.categories ?? [],
    close: () => classifier.close(),
  };
}

async function loadLiteRT({ size, labels, threshold }, address) {
  const { Tensor, loadLiteRt } = await import("./vendor/litert/litert.js");
  litert ??= loadLiteRt(WEBGPU_RUNTIME).catch((error) => {
    litert = undefined; // Or it could not be tried again.
    throw error;
  });
  const model = await (await litert).loadAndCompile(address, {
    accelerator: "webgpu",
  });
  let last = Promise.resolve();

  async function scores(canvas) {
    const { data } = canvas.getContext("2d").getImageData(0, 0, size, size);
    const rgb = data.filter((_, index) => index % 4 < 3);
    const image = new Tensor(Float32Array.from(rgb), [1, size, size, 3]);
    let output;
    try {
      [output] = await model.run([image]);
      return [...(await output.data())];
    } finally {
      image.delete();
      output?.delete();
    }
  }

  async function classify(canvas) {
    last = scores(canvas);
    return (await last)
      .map((score, index) => ({ categoryName: labels[index], score }))
      .filter(({ score }) => !(score < (threshold ?? -Infinity))) // NaN stays.
      .sort((a, b) => b.score - a.score)
      .slice(0, TOP);
  }

  async function close() {
    await last.catch(() => {}); // Whoever asked for it has been told.
    model.delete();
  }

  // LiteRT.js runs on the CPU what WebGPU can't, and only logs that.
  try {
    if (model.options.accelerator !== "webgpu" || !model.isFullyAccelerated) {
      throw new Error("WebGPU can't run all of its operators");
    }
    const blank = document.createElement("canvas");
    blank.width = blank.height = size;
    await classify(blank); // Compiles the shaders, which may fail.
  } catch (error) {
    await close();
    throw error;
  }
  return { classify, close };
}
