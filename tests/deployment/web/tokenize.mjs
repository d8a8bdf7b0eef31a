// Tokenizes texts as the page does: {words, settings, texts} on the standard input, rows of ids on the output.

import fs from "node:fs";
import { WordPiece } from "../../../examples/web/wordpiece.js";

const { words, settings, texts } = JSON.parse(fs.readFileSync(0, "utf-8"));
const tokenizer = new WordPiece(words, settings);
const rows = texts.map((text) => (
  typeof text === "string" ? tokenizer.encode(text) : tokenizer.frame(...text.map((each) => tokenizer.encode(each)))));
process.stdout.write(JSON.stringify(rows));
