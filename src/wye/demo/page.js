// Sends an image to /predict and shows the answer. All text from elsewhere is set as text.
"use strict";

const MOST_BARS = 10;
const at = (id) => document.getElementById(id);
const percent = (value) => `${(100 * value).toFixed(1)} %`;
let latest = 0;

function make(name, text = "") {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function fault(text) {
  at("fault").textContent = text;
  at("fault").hidden = !text;
}

function picture(which, address) {
  const image = typeof which === "string" ? at(which) : which;
  if (!image || !address) return;
  image.onload = () => image.classList.toggle("small", image.naturalWidth < 200);
  image.src = address;
  image.hidden = false;
}

function bars(probabilities) {
  const ranked = Object.entries(probabilities).sort((one, other) => other[1] - one[1]);
  const shown = ranked.slice(0, MOST_BARS);
  const rest = ranked.slice(MOST_BARS);
  if (rest.length) {
    shown.push([`${rest.length} others`, rest.reduce((sum, each) => sum + each[1], 0)]);
  }
  at("bars").replaceChildren(...shown.map(([name, value]) => {
    const line = make("li");
    const track = make("span");
    const bar = make("i");
    track.className = "bar";
    bar.style.width = `${100 * value}%`;
    track.append(bar);
    line.append(make("span", name), track, make("span", percent(value)));
    line.firstChild.title = name;
    return line;
  }));
}

// A code of maps is drawn as maps side by side, any other one row by row.
function code(values) {
  const canvas = at("code");
  const [maps, high, wide] = canvas.dataset.shape.split(",").map(Number);
  const across = Math.ceil(Math.sqrt(maps));
  const style = getComputedStyle(document.documentElement);
  const most = values.reduce((found, value) => Math.max(found, Math.abs(value)), 1e-12);
  [canvas.width, canvas.height] = [across * wide, Math.ceil(maps / across) * high];
  canvas.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
  const context = canvas.getContext("2d");
  const colours = [style.getPropertyValue("--validation"), style.getPropertyValue("--test")];
  values.forEach((value, place) => {
    const map = Math.floor(place / (high * wide));
    const inside = place % (high * wide);
    context.fillStyle = colours[value < 0 ? 1 : 0];
    context.globalAlpha = Math.sqrt(Math.abs(value) / most);
    const x = (map % across) * wide + (inside % wide);
    context.fillRect(x, Math.floor(map / across) * high + Math.floor(inside / wide), 1, 1);
  });
}

function anomaly(answer) {
  if (answer.error === null || !at("anomaly")) return;
  at("anomaly").hidden = false;
  at("mse").textContent = answer.error.toPrecision(3);
  if (answer.anomaly === null || !at("compared")) return;
  document.querySelector(".gauge i").style.left = `${100 * answer.anomaly}%`;
  at("unusual").textContent = answer.anomaly >= 0.99 ? "Unusual." : "";
  at("compared").textContent =
    `Reconstructed worse than ${percent(answer.anomaly)} of ${at("compared").dataset.images}.`;
}

function nearest(found) {
  at("nearest").replaceChildren(...found.map(({ class: name, picture: address }) => {
    const line = make("li");
    const image = make("img");
    image.alt = "";
    line.title = name;
    line.append(image, name);
    picture(image, address);
    return line;
  }));
}

function show(answer) {
  picture("input", answer.pictures.input);
  picture("reconstruction", answer.pictures.reconstruction);
  picture("from", answer.pictures.input);
  picture("error", answer.pictures.error);
  at("seen").hidden = false;
  begin(answer);
  if (answer.nearest) nearest(answer.nearest);
  code(answer.code);
  anomaly(answer);
  if (answer.probabilities) {
    at("verdict").replaceChildren(answer.class, make("span", percent(answer.probability)));
    bars(answer.probabilities);
  }
}

function post(path, type, body) {
  return fetch(path, { method: "POST", headers: { "Content-Type": type }, body });
}

async function predict(file) {
  const mine = ++latest;
  document.body.classList.add("busy");
  fault("");
  try {
    const type = file.type.startsWith("image/") ? file.type : "application/octet-stream";
    const response = await post("predict?pictures", type, file);
    const answer = await response.json();
    if (mine !== latest) return;
    if (response.ok) show(answer);
    else fault(`${file.name || "The image"}: ${answer.error}.`);
  } catch {
    if (mine === latest) fault("The server does not answer. Is wye demo still running?");
  } finally {
    if (mine === latest) document.body.classList.remove("busy");
  }
}

const examples = [...document.querySelectorAll(".examples button")];

function chosen(button = null) {
  examples.forEach((each) => each.toggleAttribute("aria-current", each === button));
}

function given(file) {
  if (!file) return;
  chosen();
  predict(file);
}

async function tried(button) {
  chosen(button);
  const response = await fetch(button.firstElementChild.src);
  predict(await response.blob());
}

// The walk between two codes: the one of the image that is shown, and that of another example.
const walk = { answer: null, to: 0, code: null, busy: false };

function begin(answer) {
  if (!at("walk")) return;
  walk.answer = answer;
  at("walk").value = 0;
  at("made").textContent = "reconstruction";
}

function aim(place) {
  walk.to = place % examples.length;
  walk.code = null;
  picture(at("to").firstElementChild, examples[walk.to].firstElementChild.src);
}

async function codeOf(button) {
  const example = await fetch(button.firstElementChild.src);
  const response = await post("predict", "image/png", await example.blob());
  return (await response.json()).code;
}

async function step() {
  if (walk.busy || !walk.answer) return;
  walk.busy = true;
  try {
    let shown = null;
    while (shown !== at("walk").value) {
      shown = at("walk").value;
      const { answer } = walk;
      walk.code ??= await codeOf(examples[walk.to]);
      const other = walk.code;
      const code = answer.code.map((value, place) => value + (shown / 100) * (other[place] - value));
      const response = await post("decode", "application/json", JSON.stringify(code));
      const found = await response.json();
      if (answer !== walk.answer) break;
      picture("reconstruction", found.picture);
      at("made").textContent = shown > 0 ? `${shown} % of the way` : "reconstruction";
    }
  } catch {
    fault("The server does not answer. Is wye demo still running?");
  } finally {
    walk.busy = false;
  }
}

if (at("walk")) {
  aim(1);
  at("walk").addEventListener("input", step);
  at("to").addEventListener("click", () => {
    aim(walk.to + 1);
    if (at("walk").value > 0) step();
  });
}
examples.forEach((button) => button.addEventListener("click", () => tried(button)));
at("file").addEventListener("change", (event) => {
  given(event.target.files[0]);
  event.target.value = "";
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) given(file);
  else fault("Only a file can be dropped here: save the image first.");
});
document.addEventListener("paste", (event) => given(event.clipboardData.files[0]));
at("command").textContent = at("command").textContent.replace(" /predict", ` ${location.origin}/predict`);
document.querySelectorAll("button img").forEach((image) => {
  const small = () => image.classList.toggle("small", image.naturalWidth < 64);
  if (image.complete) small(); else image.addEventListener("load", small);
});
if (examples.length) tried(examples[0]);
