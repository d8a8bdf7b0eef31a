// A student of tfdistill in the browser: its TFLite file, run by LiteRT, and its tokenizer.

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { fetchWhole, PageError } from "./fetched.js";
import { WordPiece } from "./wordpiece.js";

const ROW_INPUTS = { input_ids: "ids", attention_mask: "mask", token_type_ids: "types" };

export class Student {
  /**
   * Loads the files of a model.
   *
   * @param {object} page the content of its `page.json`
   * @param {string} folder where they are, such as "models/mini"
   * @returns {Promise<Student>}
   */
  static async open(page, folder) {
    const fetched = ({ file, integrity }, what) => fetchWhole(`${folder}/${file}`, integrity, what);
    const [content, vocabulary, runtime] = await Promise.all([
      fetched(page.model, "the file of the model"),
      fetched(page.vocabulary, "the vocabulary of this model"),
      loadRuntime(),
    ]);
    const words = new TextDecoder().decode(vocabulary).replace(/\n$/, "").split("\n");
    return new Student(page, content, new WordPiece(words, page.tokenizer), runtime);
  }

  constructor(page, content, tokenizer, runtime) {
    Object.assign(this, { page, content, tokenizer, runtime, compiled: new Map() });
    this.lengths = Object.keys(page.lengths).map(Number).sort((a, b) => a - b);
  }

  /** The shortest length that holds a row. */
  lengthFor(ids) {
    const longest = this.lengths.at(-1);
    if (ids.length > longest) {
      throw new PageError(`The text has ${ids.length} tokens, the model takes ${longest}: shorten it.`);
    }
    return this.lengths.find((length) => length >= ids.length);
  }

  /**
   * Runs the model on a row.
   *
   * @param {{ids: number[], types: number[]}} row
   * @param {object} more further inputs: names to numbers, such as `masked_positions`
   * @param {number} length tokens of the row with its padding; by default the shortest that holds it
   * @returns {Promise<{logits: Float32Array, milliseconds: number}>}
   */
  async run(row, more = {}, length = this.lengthFor(row.ids)) {
    const runner = await this.runnerFor(length);
    const values = {
      ids: Int32Array.from({ length }, (_, i) => row.ids[i] ?? this.page.tokenizer.pad),
      mask: Int32Array.from({ length }, (_, i) => Number(i < row.ids.length)),
      types: Int32Array.from({ length }, (_, i) => row.types[i] ?? 0),
    };
    const inputs = {};
    let outputs = {};
    const begin = performance.now();
    try {
      for (const { name } of runner.getInputDetails()) {
        const value = values[ROW_INPUTS[name]] ?? Int32Array.of(more[name] ?? 0);
        inputs[name] = new Tensor(value, [1, value.length]);
      }
      outputs = await runner.run(inputs);
      const logits = outputs.logits.toTypedArray(); // a copy
      return { logits, milliseconds: performance.now() - begin };
    } finally {
      for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
    }
  }

  /** The compiled signature of a length. It is compiled once, alone, so that others take no memory. */
  async runnerFor(length) {
    const { signature, changes } = this.page.lengths[length];
    if (!this.compiled.has(length)) {
      const content = this.content.slice();
      const view = new DataView(content.buffer);
      for (const [place, value] of changes) view.setUint32(place, value, true);
      this.compiled.set(length, await loadAndCompile(content, { accelerator: "wasm" }));
    }
    return this.compiled.get(length).signatures[signature];
  }
}

let runtime; // of all students

function loadRuntime() {
  runtime ??= loadLiteRt("./runtime/wasm/").catch(() => {
    runtime = null;
    throw new PageError("the runtime cannot be loaded: this browser is too old, or a file is missing");
  });
  return runtime;
}
