// From a text to an answer: what each task makes of the model's logits.

import { PageError } from "./fetched.js";
import { splitWords } from "./wordpiece.js";

const OUTSIDE = "O";
const NO_TYPE = "_"; // of the tags "B" and "I" alone

/** The likeliest tokens for each [MASK]: `masks`, a list of lists of `name` and `share`. */
export async function fillMasks(student, text, count = 5) {
  const { tokenizer } = student;
  const row = tokenizer.frame(tokenizer.encode(text));
  const places = row.ids.flatMap((id, place) => (id === student.page.tokenizer.mask ? [place] : []));
  if (!places.length) throw new PageError("Write [MASK] for the word to predict.");
  const masks = [];
  let milliseconds = 0;
  for (const place of places) {
    const found = await student.run(row, { masked_positions: place });
    milliseconds += found.milliseconds;
    masks.push(likeliest(softmax(found.logits), tokenizer.tokens, count));
  }
  return { masks, milliseconds, tokens: row.ids.length };
}

/** The classes of a text or a pair, the likeliest first: `classes`; or `value`, if the model gives a number. */
export async function classify(student, text, second = "", count = 8) {
  const { tokenizer, page } = student;
  const pair = second ? tokenizer.encode(second) : null;
  const row = tokenizer.frame(tokenizer.encode(text), pair);
  const { logits, milliseconds } = await student.run(row);
  const found = { milliseconds, tokens: row.ids.length };
  if (!page.labels.length) return { ...found, value: logits[0] };
  return { ...found, classes: likeliest(softmax(logits), page.labels, count) };
}

/** The words of a text with their tags, each that of its first token, and the entities of the text. */
export async function tagWords(student, text) {
  const { tokenizer, page } = student;
  const outside = page.labels.includes(OUTSIDE) ? OUTSIDE : page.labels[0];
  const words = splitWords(text).map((word) => ({ ...word, tag: outside, share: 0 }));
  const ids = [];
  const firsts = [];
  words.forEach(({ word }, number) => {
    const own = tokenizer.encode(word);
    if (own.length) firsts.push([number, ids.length + 1]); // behind [CLS]
    ids.push(...own);
  });
  const row = tokenizer.frame(ids);
  const { logits, milliseconds } = await student.run(row);
  for (const [number, place] of firsts) {
    const shares = softmax(logits.subarray(place * page.labels.length, (place + 1) * page.labels.length));
    const best = shares.indexOf(Math.max(...shares));
    Object.assign(words[number], { tag: page.labels[best], share: shares[best] });
  }
  return { words, entities: entitiesOf(text, words), milliseconds, tokens: row.ids.length };
}

/** Entities of tagged words. An I- tag that continues nothing begins one; a tag of no scheme is one word long. */
export function entitiesOf(text, words) {
  const found = [];
  let kind = "";
  let first = 0;
  [...words, { tag: OUTSIDE }].forEach(({ tag }, place) => {
    const own = entityType(tag);
    if (tag.split("-", 1)[0] === "I" && own === kind) return;
    if (kind) {
      const inside = words.slice(first, place);
      const [start, end] = [inside[0].start, inside.at(-1).end];
      const share = inside.reduce((sum, word) => sum + word.share, 0) / inside.length;
      found.push({ type: kind, text: text.slice(start, end), start, end, share });
    }
    [kind, first] = [own, place];
  });
  return found;
}

function entityType(tag) {
  if (tag === OUTSIDE) return "";
  const [prefix, ...rest] = tag.split("-");
  return prefix === "B" || prefix === "I" ? rest.join("-") || NO_TYPE : tag;
}

/** Probabilities, in double precision. */
export function softmax(logits) {
  const highest = logits.reduce((most, each) => Math.max(most, each), -Infinity);
  const found = Float64Array.from(logits, (each) => Math.exp(each - highest));
  const sum = found.reduce((all, each) => all + each, 0);
  return found.map((each) => each / sum);
}

/** The largest shares with their names, in order; ids without a name are passed over. */
function likeliest(shares, names, count) {
  const best = [];
  names.forEach((name, id) => {
    const share = shares[id];
    if (best.length === count && share <= best.at(-1).share) return;
    best.push({ name, share });
    best.sort((a, b) => b.share - a.share);
    best.length = Math.min(best.length, count);
  });
  return best;
}
