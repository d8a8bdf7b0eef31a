// The page: it loads the student, asks it while the reader types, and shows its answers.

import { classify, fillMasks, tagWords } from "./answers.js";
import { PageError, Student } from "./student.js";

const PAUSE = 150; // milliseconds without a key until the student is asked
const WORKER_STARTS = 4000; // milliseconds at most
const MASKED = {
  name: "Masked words",
  text: "The whale [MASK] the ship.",
  ask: (student, text) => fillMasks(student, text),
  show: ({ masks }) => masks.flatMap((words, number) => [
    ...(masks.length > 1 ? [element("h2", `[MASK] ${number + 1}`)] : []), bars(words)]),
};
const CLASSES = {
  name: "Classes of texts",
  pair: true,
  ask: classify,
  show: ({ classes, value }) => [classes ? bars(classes) : element("output", value.toFixed(3))],
};
const TAGS = { name: "Words and their tags", ask: tagWords, show: showTags };
const MODES = {
  masked_lm: MASKED,
  text_classification: CLASSES,
  regression: { ...CLASSES, name: "A number for a text" },
  token_classification: TAGS,
};

const part = (id) => document.getElementById(id);

/** A service worker keeps the files for later visits; it must be there before they are fetched. */
async function startWorker() {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return; // the page is not from https: or this computer
  const wasControlled = Boolean(serviceWorker.controller);
  const changed = new Promise((done) => serviceWorker.addEventListener("controllerchange", done));
  if (wasControlled) changed.then(() => location.reload()); // a new version of the page has come
  try {
    const registration = await serviceWorker.register("service_worker.js");
    const bypassed = registration.active && !serviceWorker.controller; // a forced reload
    if (wasControlled || bypassed) return;
    await Promise.race([changed, new Promise((done) => setTimeout(done, WORKER_STARTS))]);
  } catch {
    // The page works without.
  }
}

async function start() {
  say("Loading…");
  await startWorker();
  const answer = await fetch("page.json").catch(() => null);
  if (!answer?.ok) throw new PageError("page.json is missing: write the page with tfdistill.export.");
  const page = await answer.json();
  const mode = MODES[page.task];
  const megabytes = (page.model.bytes / 1e6).toFixed(1);
  document.title = page.title;
  part("title").textContent = page.title;
  part("facts").textContent = `${mode.name} · ${page.model.file}, ${megabytes} MB · runs on this device`;
  part("mask").hidden = mode !== MASKED;
  part("pair").hidden = !mode.pair;
  part("text").value ||= mode.text ?? "";
  say(`Loading ${megabytes} MB of model…`);
  const student = await Student.open(page);
  await student.run(student.tokenizer.frame([])); // the first run of a file is slow
  part("offline").hidden = !navigator.serviceWorker?.controller;
  listen(student, mode);
  return student;
}

function listen(student, mode) {
  let timer;
  let running = Promise.resolve();
  const ask = () => {
    const [text, second] = [part("text").value, part("second").value];
    running = running.then(() => answer(student, mode, text.trim() && text, second.trim() && second));
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  };
  part("text").addEventListener("input", later);
  part("second").addEventListener("input", later);
  part("mask").addEventListener("click", () => {
    const field = part("text");
    field.setRangeText("[MASK]", field.selectionStart, field.selectionEnd, "end");
    field.focus();
    later();
  });
  ask();
}

async function answer(student, mode, text, second) {
  let shown = [];
  try {
    if (text) {
      const found = await mode.ask(student, text, second);
      shown = mode.show(found, text);
      const length = student.lengthFor({ length: found.tokens });
      say(`${found.milliseconds.toFixed(1)} ms · ${found.tokens} tokens in a row of ${length}`);
    } else {
      say("Type a text.");
    }
  } catch (error) {
    fail(error);
  }
  part("answer").replaceChildren(...shown);
}

function showTags({ entities }, text) {
  const line = element("p");
  line.className = "tagged";
  let end = 0;
  for (const entity of entities) {
    const mark = element("mark", entity.text);
    mark.append(element("small", `${entity.type} ${percent(entity.share)}`));
    line.append(text.slice(end, entity.start), mark);
    end = entity.end;
  }
  line.append(text.slice(end));
  return [line];
}

function bars(rows) {
  const list = element("ol");
  for (const { name, share } of rows) {
    const item = element("li");
    item.style.setProperty("--share", share);
    item.append(element("span", name), element("data", percent(share)));
    list.append(item);
  }
  return list;
}

function percent(share) {
  return share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
}

function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function say(text, wrong = false) {
  part("state").textContent = text;
  part("state").classList.toggle("wrong", wrong);
}

function fail(error) {
  say(error instanceof PageError ? error.message : `The model does not run in this browser (${error.message}).`, true);
}

export const opened = start(); // the `Student`
opened.catch(fail);
