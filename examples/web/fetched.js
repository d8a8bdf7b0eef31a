// Files that were written with the page. A file that is missing or damaged is named in one line.

/** What a reader of the page can do something about; its message is one line. */
export class PageError extends Error {}

const AGAIN = "load the page again, or write it again with tfdistill.export";

/** The content of a JSON file. */
export async function fetchSettings(file) {
  const found = await read(file, {}, (answer) => answer.json());
  if (found) return found;
  throw new PageError(`${file} is missing or damaged: ${AGAIN}`);
}

/**
 * The bytes of a file, which must be those that the page was written with.
 *
 * @param {string} file
 * @param {string} integrity its hash, as `fetch` takes it
 * @param {string} what what the file should be
 * @returns {Promise<Uint8Array>}
 */
export async function fetchWhole(file, integrity, what) {
  const found = await read(file, { integrity }, (answer) => answer.arrayBuffer());
  if (found) return new Uint8Array(found);
  if (!navigator.onLine) throw new PageError(`${file} is not here yet, and there is no connection: try again with one`);
  throw new PageError(`${file} is missing, damaged or not ${what}: ${AGAIN}`);
}

/**
 * Reads a file; null if that fails twice.
 *
 * A copy that the service worker kept may be damaged; it is removed, and the server asked once more. The service worker
 * may still be writing a damaged file when it is removed here: then the next reading removes it.
 */
async function read(file, options, content) {
  for (let tries = 0; tries < 2; tries++) {
    try {
      return await content(await fetch(file, options));
    } catch {
      await forget(file);
    }
  }
  return null;
}

/** Removes a file that the service worker kept, so that it is fetched again. */
async function forget(file) {
  const names = globalThis.caches ? await caches.keys() : [];
  for (const name of names) await (await caches.open(name)).delete(file);
}
