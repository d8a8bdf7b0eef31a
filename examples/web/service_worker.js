// Keeps the files of the page, so that it works offline after the first visit.
//
// files.js is written with the page: `VERSION`, a hash of all files; `FILES`, their names; `SHELL`, the small ones that
// every visit needs. The others are kept when they are used first, since no browser needs all of them; those of models
// also when the page asks for them, once it has shown one. A changed file changes the version: then a new cache is
// filled with the same files before the old one is deleted.

importScripts("files.js");

const OWN = `tfdistill ${self.registration.scope} `;
const CACHE = OWN + VERSION;
const ADDRESSES = new Set(FILES.map((name) => address(name)));
const MODELS = FILES.filter((name) => name.startsWith("models/")).map((name) => address(name));
const coming = new Map(); // files that are fetched unasked: addresses to promises
const writing = new Map(); // files that were asked for, while they are written

function address(name) {
  return new URL(name, self.registration.scope).href;
}

/** Asks the server, or the browser's own cache if the server says that it is current. */
function current(url) {
  return new Request(url, { cache: "no-cache" });
}

/** Asks the server. The browser's own cache may hold a damaged file of the same date. */
function fresh(url, priority = "auto") {
  return new Request(url, { cache: "reload", priority });
}

/** Caches of other versions of this page. */
async function earlier() {
  return (await caches.keys()).filter((name) => name.startsWith(OWN) && name !== CACHE);
}

async function install() {
  const wanted = new Set(SHELL.map((name) => address(name)));
  for (const name of await earlier()) {
    for (const { url } of await (await caches.open(name)).keys()) {
      if (ADDRESSES.has(url)) wanted.add(url);
    }
  }
  await (await caches.open(CACHE)).addAll([...wanted].map(current));
  await self.skipWaiting();
}

async function activate() {
  for (const name of await earlier()) await caches.delete(name);
  await self.clients.claim();
}

/** Keeps the files of all models, one after the other; whether all are here. The next visit goes on where one fails. */
async function keepModels() {
  const cache = await caches.open(CACHE);
  for (const url of MODELS) {
    await writing.get(url);
    if (await cache.match(url)) continue;
    const added = cache.add(fresh(url, "low")).then(() => true, () => false);
    coming.set(url, added);
    if (!(await added.finally(() => coming.delete(url)))) return false;
  }
  return true;
}

async function answer(event, url) {
  const cache = await caches.open(CACHE);
  await coming.get(url); // so that it is fetched once
  const kept = await cache.match(url);
  if (kept) return kept;
  const found = await fetch(fresh(url));
  if (found.ok) {
    const written = cache.put(url, found.clone()).catch(() => {}); // perhaps there is no room
    writing.set(url, written);
    event.waitUntil(written.finally(() => writing.delete(url)));
  }
  return found;
}

let keeping = null; // one pass over the models at a time, whatever the number of open pages

async function onMessage({ source }) {
  keeping ??= keepModels().finally(() => (keeping = null));
  if (await keeping) source.postMessage("all models are kept");
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => event.waitUntil(onMessage(event)));
self.addEventListener("fetch", (event) => {
  const url = event.request.url.replace(/[?#].*$/, "");
  const file = url === address("./") ? address("index.html") : url;
  if (event.request.method === "GET" && ADDRESSES.has(file)) event.respondWith(answer(event, file));
});
