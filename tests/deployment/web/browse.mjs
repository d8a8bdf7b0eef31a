// A browser for tests and measurements: node browse.mjs CHROMIUM. Reads one JSON object per line, answers with one.
//
//   {"open": URL}         a new page at phone size; waits until it has loaded
//   {"run": CODE}         the value of an async function's body in the page
//   {"press": KEY}        a key, such as "ArrowRight"
//   {"offline": true}     from now on, the page has no connection
//   {"tree": true}        what screen readers get: a list of [role, name, whether it is selected]
//   {"seconds": true}     CPU time of the page's main thread
//   {"screenshot": FILE, "scheme": "light" or "dark"}

import readline from "node:readline";
import puppeteer from "puppeteer-core";

const PHONE = { width: 360, height: 640, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const browser = await puppeteer.launch({ executablePath: process.argv[2], args: ["--no-sandbox"], protocolTimeout: 0 });
let page;
let session;

const commands = {
  async open(url) {
    await page?.close();
    page = await browser.newPage();
    session = await page.createCDPSession();
    await session.send("Performance.enable", { timeDomain: "threadTicks" });
    await page.setViewport(PHONE);
    await page.goto(url, { waitUntil: "load" });
  },
  run: (code) => page.evaluate(`(async () => { ${code} })()`),
  press: (key) => page.keyboard.press(key),
  offline: () => page.setOfflineMode(true),
  tree: async () => flat(await page.accessibility.snapshot({ interestingOnly: false })),
  async seconds() {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "ThreadTime").value;
  },
  async screenshot(path, { scheme }) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.screenshot({ path });
  },
};

function flat({ role, name, selected = false, children = [] }) {
  return [[role, name, selected], ...children.flatMap(flat)];
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const [[name, value]] = Object.entries(command);
  let answer;
  try {
    answer = { value: (await commands[name](value, command)) ?? null };
  } catch (error) {
    answer = { error: String(error.message) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
