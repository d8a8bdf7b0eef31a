// The page: a panel for each model of models.json. Where there are several, each has a tab, and is loaded when its tab
// is opened first.

import { fetchSettings } from "./fetched.js";
import { Panel, taskName } from "./panel.js";
import { makeTabs } from "./tabs.js";

const WORKER_STARTS = 4000; // milliseconds at most

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
  const worker = startWorker();
  const models = await fetchSettings("models.json");
  const panels = models.map((model) => new Panel(model));
  const roots = panels.map(({ root }) => root);
  const named = () => Math.max(0, models.findIndex((model) => mark(model) === location.hash));

  function open(number) {
    document.title = panels[number].title;
    return panels[number].open(worker);
  }

  let asked = false;

  function keepOthers() {
    if (!asked) keepModels(panels);
    asked = true;
  }

  document.querySelector("main").replaceChildren(...roots);
  if (models.length === 1) return open(0);
  for (const panel of panels) panel.part("offline").textContent = "This tab works offline now.";
  return new Promise((done) => {
    const tabs = makeTabs(roots, labels(models), (number) => {
      history.replaceState(null, "", mark(models[number])); // for links, and when the page is loaded again
      const opened = open(number);
      opened.then(keepOthers, () => {}); // else the panel shows why
      done(opened);
    });
    document.querySelector("main").prepend(tabs.list);
    addEventListener("hashchange", () => tabs.open(named()));
    tabs.open(named());
  });
}

/** When the page is idle, the service worker fetches the models of all tabs, unless the reader saves data. */
function keepModels(panels) {
  const worker = navigator.serviceWorker?.controller;
  if (!worker || navigator.connection?.saveData) return;
  navigator.serviceWorker.addEventListener("message", () => {
    for (const panel of panels) panel.part("offline").textContent = "All tabs work offline now.";
  });
  const whenIdle = globalThis.requestIdleCallback ?? setTimeout;
  whenIdle(() => worker.postMessage("keep all models"));
}

/** Names of tabs: tasks, and titles where several models have one task. */
function labels(models) {
  return models.map(({ title, task }) => (
    models.filter((other) => other.task === task).length > 1 ? title : taskName(task)));
}

/** The end of a model's address. */
function mark({ folder }) {
  return `#${encodeURIComponent(folder.split("/").at(-1))}`;
}

function fail(error) {
  const line = document.querySelector("main > .state");
  if (!line) return; // a panel shows why
  line.textContent = error.message;
  line.classList.add("wrong");
}

export const opened = start(); // the `Student` that is shown first
opened.catch(fail);
