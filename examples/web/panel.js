// A panel: it loads one model, asks it while the reader types, and shows its answers.

import { classify, fillMasks, tagWords } from "./answers.js";
import { fetchSettings, PageError } from "./fetched.js";
import { Student } from "./student.js";

const PAUSE = 150; // milliseconds without a key until the student is asked
const MASKED = {
  name: "Masked words",
  text: "The whale [MASK] the ship.",
  ask: (student, text) => fillMasks(student, text),
  show: ({ masks }) => masks.flatMap((words, number) => [
    ...(masks.length > 1 ? [element("h2", `[MASK] ${number + 1}`)] : []), bars(words)]),
};
const CLASSES = {
  name: "Classes of texts",
  tab: "Classes",
  pair: true,
  ask: classify,
  show: ({ classes, value }) => [classes ? bars(classes) : element("output", value.toFixed(3))],
};
const TAGS = { name: "Words and their tags", tab: "Tags", ask: tagWords, show: showTags };
const MODES = {
  masked_lm: MASKED,
  text_classification: CLASSES,
  regression: { ...CLASSES, name: "A number for a text", tab: "Number" },
  token_classification: TAGS,
};

/** The short name of a task. */
export function taskName(task) {
  return MODES[task].tab ?? MODES[task].name;
}

export class Panel {
  /** @param {{folder: string, title: string, task: string}} model an entry of models.json */
  constructor({ folder, title, task }) {
    const root = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    Object.assign(this, { root, folder, title, mode: MODES[task], opened: null });
    this.part("title").textContent = title;
    this.part("mask").hidden = this.mode !== MASKED;
    this.part("pair").hidden = !this.mode.pair;
    this.part("text").value = this.mode.text ?? "";
  }

  part(name) {
    return this.root.querySelector(`.${name}`);
  }

  /**
   * Loads the model, once. What failed is shown, and tried again at the next call.
   *
   * @param {Promise} ready waited for before files are fetched
   * @returns {Promise<Student>}
   */
  open(ready) {
    this.opened ??= this.load(ready).catch((error) => {
      this.opened = null;
      this.fail(error);
      throw error;
    });
    return this.opened;
  }

  async load(ready) {
    this.say("Loading…");
    await ready;
    const page = await fetchSettings(`${this.folder}/page.json`);
    const megabytes = (page.model.bytes / 1e6).toFixed(1);
    this.part("facts").textContent = `${this.mode.name} · ${page.model.file}, ${megabytes} MB · runs on this device`;
    this.say(`Loading ${megabytes} MB of model…`);
    const student = await Student.open(page, this.folder);
    await student.run(student.tokenizer.frame([])); // the first run of a file is slow
    this.part("offline").hidden = !navigator.serviceWorker?.controller;
    this.listen(student);
    return student;
  }

  listen(student) {
    let timer;
    let running = Promise.resolve();
    const [field, second] = [this.part("text"), this.part("second")];
    const ask = () => {
      const texts = [field, second].map(({ value }) => value.trim() && value);
      running = running.then(() => this.answer(student, ...texts));
    };
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(ask, PAUSE);
    };
    field.addEventListener("input", later);
    second.addEventListener("input", later);
    this.part("mask").addEventListener("click", () => {
      field.setRangeText("[MASK]", field.selectionStart, field.selectionEnd, "end");
      field.focus();
      later();
    });
    ask();
  }

  async answer(student, text, second) {
    let shown = [];
    try {
      if (text) {
        const found = await this.mode.ask(student, text, second);
        shown = this.mode.show(found, text);
        const length = student.lengthFor({ length: found.tokens });
        this.say(`${found.milliseconds.toFixed(1)} ms · ${found.tokens} tokens in a row of ${length}`);
      } else {
        this.say("Type a text.");
      }
    } catch (error) {
      this.fail(error);
    }
    this.part("answer").replaceChildren(...shown);
  }

  say(text, wrong = false) {
    this.part("state").textContent = text;
    this.part("state").classList.toggle("wrong", wrong);
  }

  fail(error) {
    const known = error instanceof PageError;
    this.say(known ? error.message : `The model does not run in this browser (${error.message}).`, true);
  }
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
