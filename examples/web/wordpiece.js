// BERT's WordPiece tokenizer, with the ids of the Python package `tokenizers`.
//
// Text is cleaned, lower-cased and stripped of accents as the model's settings say, split at blanks and
// punctuation marks, and each word is cut into the longest pieces that the vocabulary has.

import { CONTROLS, IDEOGRAPHS, MARKS, NORMALIZED, PUNCTUATION } from "./characters.js";

const LONGEST_WORD = 100; // characters; longer words are unknown
const SPACE = "\\p{White_Space}";
const WORDS = new RegExp(`[${PUNCTUATION}]|[^${PUNCTUATION}${SPACE}]+`, "gu");
const REMOVED = new RegExp(`[${CONTROLS}]`, "gu");
const BLANKS = new RegExp(`[${SPACE}]`, "gu");
const WIDE = new RegExp(`[${IDEOGRAPHS}]`, "gu");
const COMPOSED = new RegExp(`[${NORMALIZED}]+`, "gu");
const ACCENTS = new RegExp(`[${MARKS}]`, "gu");

/** The words of a text, as BERT splits it: objects of `word`, `start` and `end`, places in the text. */
export function splitWords(text) {
  return [...text.matchAll(WORDS)].map(({ 0: word, index }) => (
    { word, start: index, end: index + word.length }));
}

export class WordPiece {
  /**
   * @param {string[]} words the vocabulary, by id
   * @param {object} settings `lower_case`, `strip_accents` and `split_ideographs`, booleans; `added`, tokens that
   *     are found in a text before it is split, with their ids; `unk`, `cls`, `sep`, ids
   */
  constructor(words, settings) {
    this.settings = settings;
    this.tokens = [...words];
    this.ids = new Map(words.map((word, id) => [word, id]));
    for (const [token, id] of Object.entries(settings.added)) this.tokens[id] = token;
    const added = Object.keys(settings.added).sort((a, b) => b.length - a.length);
    const escaped = added.map((token) => token.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
    this.added = added.length ? new RegExp(`(${escaped.join("|")})`, "u") : null;
  }

  /** The ids of a text, without [CLS] and [SEP]. */
  encode(text) {
    const parts = this.added ? text.split(this.added) : [text];
    return parts.flatMap((part, i) => (
      i % 2 ? [this.settings.added[part]]
        : splitWords(this.normalize(part)).flatMap(({ word }) => this.pieces(word))));
  }

  /** A row of a text, or of two: `ids` and `types`, with [CLS] and [SEP]. */
  frame(first, second = null) {
    const { cls, sep } = this.settings;
    const ids = [cls, ...first, sep];
    const types = ids.map(() => 0);
    if (second) {
      ids.push(...second, sep);
      types.push(...second.map(() => 1), 1);
    }
    return { ids, types };
  }

  normalize(text) {
    const { lower_case, strip_accents, split_ideographs } = this.settings;
    let found = text.replace(REMOVED, "").replace(BLANKS, " ");
    if (split_ideographs) found = found.replace(WIDE, " $& ");
    if (strip_accents) found = found.replace(COMPOSED, (part) => part.normalize("NFD")).replace(ACCENTS, "");
    // Each character by itself: JavaScript gives a sigma at a word's end another form.
    return lower_case ? found.replaceAll("Σ", "σ").toLowerCase() : found;
  }

  pieces(word) {
    const characters = [...word];
    if (characters.length > LONGEST_WORD) return [this.settings.unk];
    const found = [];
    for (let start = 0, end; start < characters.length; start = end) {
      let id;
      for (end = characters.length; end > start; end--) {
        id = this.ids.get((start ? "##" : "") + characters.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [this.settings.unk];
      found.push(id);
    }
    return found;
  }
}
