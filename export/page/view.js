/* What the page shows: the picture's place, the answer and the state. */

export const page = (id) => document.getElementById(id);
const percent = new Intl.NumberFormat("en", {
  style: "percent",
  maximumFractionDigits: 1,
});

/** Shows the hint, the photo or the camera, and the buttons that go with it. */
export function show(name) {
  for (const id of ["hint", "view", "camera"]) page(id).hidden = id !== name;
  page("shoot").hidden = page("turn").hidden = name !== "camera";
  page("use-camera").textContent = name === "camera" ? "Stop camera" : "Camera";
  // A screen reader would not come to an end.
  const live = name === "camera" ? "off" : "polite";
  for (const id of ["classes", "status"]) page(id).setAttribute("aria-live", live);
}

export function say(state, text) {
  page("status").dataset.state = state;
  page("status").textContent = text;
}

/** Shows the classes, and a line of text below. */
export function answer(state, categories, text) {
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
