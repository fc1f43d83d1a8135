// The page: shows the state of the run and sends what the user changes.

import {Camera} from "./camera.js";
import {Graph} from "./graph.js";
import {PictureStream, chooseCodec} from "./picture.js";

const STATUS_MS = 1000;
const MAX_OPENING_MS = 300000;  // an engine may compile for minutes
const get = id => document.getElementById(id);
const frame = get("frame"), result = get("result"), source = get("source"), wipe = get("wipe");
const graphs = {
  fps: new Graph(get("fps-graph"), "Frames per second", ["in", "out"], "fps"),
  latency: new Graph(get("latency-graph"), "Latency", ["median", "99%"], "ms"),
};
const LOOK_HELP = get("look-help").textContent;
let view = "result";
let last = null;  // the last status
let lastPicture = {frames: -1, seconds: 0};

// --- picture

/** Draw a picture: the result, or the result with the source below it. */
function draw(image, hasSource) {
  const width = image.displayWidth ?? image.width;
  const height = (image.displayHeight ?? image.height) / (hasSource ? 2 : 1);
  for (const canvas of hasSource ? [result, source] : [result]) {
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  }
  result.getContext("2d").drawImage(image, 0, 0, width, height, 0, 0, width, height);
  if (hasSource) {
    source.getContext("2d").drawImage(image, 0, height, width, height, 0, 0, width, height);
    if (view === "wipe") {
      const border = Math.round(width * wipe.value / 100);
      if (border > 0) result.getContext("2d").drawImage(source, 0, 0, border, height, 0, 0, border, height);
    }
  }
  frame.style.setProperty("--aspect", width / height);
  frame.classList.add("has-picture");
}

const pictures = new PictureStream(draw, () => {
  get("placeholder").textContent = "No picture comes through: a proxy in between may block WebSockets. /stream.mjpg does without.";
});
window.rotoscope = {pictures};  // for tests

function chooseView(chosen) {
  view = chosen;
  frame.dataset.view = view;
  get("wipe-row").hidden = view !== "wipe";
  pictures.open(view !== "result");
}

function moveWipe(percent) {
  wipe.value = percent;
  get("divider").style.left = `${wipe.value}%`;
}

for (const radio of document.querySelectorAll("input[name=view]")) radio.addEventListener("change", () => chooseView(radio.value));
wipe.addEventListener("input", () => moveWipe(wipe.value));
for (const kind of ["pointerdown", "pointermove"]) {
  result.addEventListener(kind, event => {
    if (view !== "wipe" || (event.pointerType !== "mouse" && kind === "pointermove" && !event.buttons)) return;
    moveWipe(event.offsetX / result.clientWidth * 100);
  });
}
// A hidden page asks for no pictures.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) pictures.close();
  else pictures.open(view !== "result");
});

// --- requests

function showError(text) {
  get("error").textContent = text;
  get("error").hidden = !text;
}

async function post(path, body) {
  try {
    const answer = await fetch(path, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
    const json = await answer.json().catch(() => ({}));
    showError(answer.ok ? "" : json.error ?? `The server answered ${answer.status}.`);
    return answer.ok ? json : null;
  } catch {
    showError("Rotoscope does not answer; the change was not made.");
    return null;
  }
}

/** Sends the newest value of a control, one request at a time. */
function sender(name) {
  let waiting, isSending = false;
  return async value => {
    waiting = value;
    if (isSending) return;
    isSending = true;
    while (waiting !== undefined) {
      const now = waiting;
      waiting = undefined;
      await post("/change", {[name]: now});
    }
    isSending = false;
    refresh();
  };
}

// --- controls

const touched = {};  // id -> time at which the user last moved it; the status does not move it back meanwhile

for (const id of ["strength", "mix"]) {
  const send = sender(id), slider = get(id);
  slider.addEventListener("input", () => {
    touched[id] = Date.now();
    get(`${id}-value`).textContent = Number(slider.value).toFixed(2);
    send(Number(slider.value));
  });
}
const sendModel = sender("model");
let opening = null;  // a model that has been asked for and is not running yet: {model, before, since}

function openModel(model) {
  opening = {model, before: last?.model, since: Date.now()};
  sendModel(model);
}

get("look").addEventListener("change", () => openModel(get("look").value));
get("path-form").addEventListener("submit", event => {
  event.preventDefault();
  if (get("path").value.trim()) openModel(get("path").value.trim());
});
get("style-form").addEventListener("submit", async event => {
  event.preventDefault();
  const style = get("style").value.trim();
  if (!style) return;
  await post("/change", {style: /^\d+$/.test(style) ? Number(style) : style});
  refresh();
});
get("pause").addEventListener("click", async () => {
  await post("/change", {is_paused: !last?.is_paused});
  refresh();
});
get("record").addEventListener("click", async () => {
  await post(last?.recording ? "/stop-recording" : "/record", {});
  refresh();
});
get("snapshot").addEventListener("click", async () => {
  try {
    const answer = await fetch("/snapshot.png");
    if (!answer.ok) { showError((await answer.json()).error); return; }
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    showError("");
  } catch { showError("Rotoscope does not answer; there is no snapshot."); }
});
get("full").addEventListener("click", () => document.fullscreenElement ? document.exitFullscreen() : frame.requestFullscreen());
get("full").hidden = !document.fullscreenEnabled;

// --- camera of this device

const camera = new Camera(() => { showError("The connection of the camera was lost."); showCamera(); });

function showCamera() {
  get("camera").textContent = camera.isOn ? "Stop my camera" : "Use my camera";
  get("camera").setAttribute("aria-pressed", camera.isOn);
}

get("camera").addEventListener("click", async () => {
  showError("");
  if (camera.isOn) camera.stop();
  else await camera.start().catch(error => showError(error.message));
  showCamera();
});
addEventListener("pagehide", () => camera.stop());

// --- status

/** The state of the source in words. */
function stateText(status) {
  if (status.frames_in !== lastPicture.frames) lastPicture = {frames: status.frames_in, seconds: status.seconds};
  const silence = Math.round(status.seconds - lastPicture.seconds);
  if (status.source_state === "playing" && status.is_paused) return "paused";
  if (status.source === "page:" && ["connecting", "waiting"].includes(status.source_state)) return "waiting for a camera";
  if (!status.model) return "opening the models";
  return {
    connecting: "connecting to the source",
    playing: status.frames_in ? "playing" : "connected, waiting for the first picture",
    silent: silence ? `no picture for ${silence} s` : "no picture at the moment",
    waiting: "the source is away, connecting again",
    ended: "the source has ended",
  }[status.source_state] ?? status.source_state;
}

function setText(id, text) { if (get(id).textContent !== text) get(id).textContent = text; }

function list(numbers) { return Object.entries(numbers).map(([cause, number]) => `${number} × ${cause}`).join(", "); }

function element(tag, text, name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = name;
  return made;
}

function showControls(status) {
  const now = Date.now(), isFree = id => now - (touched[id] ?? 0) > 1500;
  for (const id of ["strength", "mix"]) {
    if (!isFree(id)) continue;
    get(id).value = status[id];
    setText(`${id}-value`, status[id].toFixed(2));
  }
  const names = [...new Set([status.model, ...status.models])].filter(Boolean).sort();
  const look = get("look");
  if (names.join("\n") !== [...look.options].map(option => option.value).join("\n")) {
    look.replaceChildren(...names.map(name => new Option(name, name)));
  }
  look.value = opening && names.includes(opening.model) ? opening.model : status.model;
  setText("look-help", opening ? `Opening ${opening.model}; ${status.model} goes on meanwhile.` : LOOK_HELP);
  get("style-form").hidden = !status.styles;
  setText("style-help", `Accepted: ${status.styles}.${status.style ? ` Now: ${status.style}.` : ""}`);
  get("pause").textContent = status.is_paused ? "Go on" : "Pause";
  get("pause").setAttribute("aria-pressed", status.is_paused);
  get("record").textContent = status.recording ? "Stop recording" : "Record";
  get("record").setAttribute("aria-pressed", Boolean(status.recording));
  get("camera").hidden = status.source !== "page:";
  get("recording").hidden = !status.recording;
  setText("recording", status.recording ? `Recording into ${status.recording}` : "");
}

function showFacts(status) {
  const facts = [
    ["Source", `${status.source} ${status.source_size ? `(${status.source_size})` : ""}`],
    ["Look", status.model],
    ["Engine", status.engine],
    ["Steadiness", status.steady],
    ["Works at", status.working_size],
    ["Key frames", status.keyframes > 1 ? `every ${status.keyframes} frames; the others are carried along the motion` : ""],
    ["Time goes to", Object.entries(status.stages).sort((a, b) => b[1].share - a[1].share).slice(0, 4)
      .map(([stage, numbers]) => `${stage} ${Math.round(numbers.share * 100)}%`).join(", ")],
    ["Memory", status.memory_mb ? `${Math.round(status.memory_mb)} MB` : ""],
    ...status.notes.map((note, index) => [index ? "" : "Notes", note]),
  ].filter(fact => fact[1]);
  get("facts").replaceChildren(...facts.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

const OUTPUT_STATES = {connecting: "connecting", open: "open", waiting: "away, connecting again", closed: "closed"};

function showOutputs(status) {
  get("outputs").replaceChildren(...status.outputs.map(output => {
    const item = document.createElement("li");
    const numbers = [`${output.frames} frames`, output.dropped && `${output.dropped} dropped`,
      output.reconnects && `connected again ${output.reconnects} ×`, list(output.losses)].filter(Boolean).join(", ");
    const isBad = output.error || output.state === "waiting";
    item.append(element("span", output.name, "name"),
      element("span", output.error || OUTPUT_STATES[output.state], isBad ? "detail is-bad" : "detail"),
      element("span", numbers, "detail"));
    return item;
  }));
}

function showNumbers(status) {
  graphs.fps.add(status.seconds, status.in_fps, status.out_fps);
  graphs.latency.add(status.seconds, status.latency_p50_ms, status.latency_p99_ms);
  setText("dropped", String(status.dropped));
  setText("carried", String(status.carried));
  setText("late", `${Math.round(status.late_share * 100)}%`);
  const reconnects = Object.values(status.reconnects).reduce((sum, number) => sum + number, 0);
  setText("reconnects", String(reconnects));
  get("reconnects").title = list(status.reconnects);
  get("losses").hidden = !Object.keys(status.losses).length;
  setText("losses", `Lost: ${list(status.losses)}`);
}

/** A model runs when the status names another one; a new note says why it does not open. */
function watchOpening(status) {
  if (!opening) return;
  const note = status.notes.find(text => !last?.notes.includes(text));
  if (note) showError(note);
  const isOver = status.model !== opening.before || opening.model === opening.before;
  if (note || isOver || !get("error").hidden || Date.now() - opening.since > MAX_OPENING_MS) opening = null;
}

function show(status) {
  watchOpening(status);
  last = status;
  frame.classList.remove("is-away");
  get("lamp").dataset.state = status.source_state;
  setText("state-text", stateText(status));
  showControls(status);
  showNumbers(status);
  showFacts(status);
  showOutputs(status);
}

function showAway() {
  frame.classList.add("is-away");
  get("lamp").dataset.state = "away";
  setText("state-text", "Rotoscope does not answer; trying again");
}

let isAsking = false;

async function refresh() {
  if (isAsking) return;
  isAsking = true;
  try {
    const answer = await fetch("/status", {signal: AbortSignal.timeout(5000)});
    if (answer.status === 401) setText("state-text", "a token is needed: open this page as /?token=TOKEN");
    else if (answer.ok) show(await answer.json());
    else showAway();
  } catch { showAway(); }
  isAsking = false;
}

setInterval(() => { if (!document.hidden) refresh(); }, STATUS_MS);
refresh();
moveWipe(50);
chooseCodec().then(codec => pictures.open(view !== "result", codec));
