package tfdistill.example

import java.text.Normalizer
import java.util.Locale

/**
 * BERT's WordPiece tokenizer, with the ids of the Python package `tokenizers`.
 *
 * The rules are those of its BertNormalizer, BertPreTokenizer and WordPiece. Nothing here needs Android.
 *
 * @param words the lines of vocab.txt
 * @param lowerCase, stripAccents, splitIdeographs `do_lower_case`, `strip_accents` (null: as `do_lower_case`) and
 *     `tokenize_chinese_chars` of tokenizer_config.json
 */
class WordPiece(
  words: List<String>,
  private val lowerCase: Boolean = true,
  stripAccents: Boolean? = null,
  private val splitIdeographs: Boolean = true,
) {
  private val ids = words.withIndex().associate { (id, word) -> word to id }
  private val stripAccents = stripAccents ?: lowerCase
  private val unknown = ids.getValue("[UNK]")
  private val first = ids.getValue("[CLS]")
  private val last = ids.getValue("[SEP]")
  val mask = ids.getValue("[MASK]")
  val padding = ids.getValue("[PAD]")
  val tokens = words

  /** The ids of a text with [CLS] and [SEP], at most `length`; [MASK] in the text is the mask token. */
  fun encode(text: String, length: Int): IntArray {
    val found = text.split("[MASK]").map(::pieces).reduce { before, after -> before + mask + after }
    return intArrayOf(first, *found.take(length - 2).toIntArray(), last)
  }

  private fun pieces(text: String): List<Int> = words(normalize(text)).flatMap(::piecesOfWord)

  private fun normalize(text: String): String {
    val cleaned = StringBuilder()
    for (point in text.codePoints()) {
      when {
        point == 0 || point == 0xFFFD -> continue
        isBlank(point) -> cleaned.append(' ')
        isControl(point) -> continue
        splitIdeographs && isIdeograph(point) -> cleaned.append(' ').appendCodePoint(point).append(' ')
        else -> cleaned.appendCodePoint(point)
      }
    }
    var found = cleaned.toString()
    if (stripAccents) {
      found = Normalizer.normalize(found, Normalizer.Form.NFD)
      found = filtered(found) { Character.getType(it) != Character.NON_SPACING_MARK.toInt() }
    }
    // Each character by itself: a sigma at the end of a word would become another letter.
    return if (lowerCase) found.codePoints().toArray().joinToString("") { text(it).lowercase(Locale.ROOT) } else found
  }

  private fun filtered(text: String, keeps: (Int) -> Boolean): String =
    text.codePoints().toArray().filter(keeps).joinToString("") { text(it) }

  private fun text(point: Int) = String(Character.toChars(point))

  /** Words lie between blanks, and each punctuation mark is one. */
  private fun words(text: String): List<String> {
    val found = mutableListOf<String>()
    val word = StringBuilder()
    fun endWord() {
      if (word.isNotEmpty()) found += word.toString()
      word.clear()
    }
    for (point in text.codePoints()) {
      when {
        point == ' '.code -> endWord()
        isPunctuation(point) -> {
          endWord()
          found += text(point)
        }
        else -> word.appendCodePoint(point)
      }
    }
    endWord()
    return found
  }

  /** The longest pieces of a word that the vocabulary has, from its beginning. */
  private fun piecesOfWord(word: String): List<Int> {
    val points = word.codePoints().toArray()
    if (points.size > LONGEST_WORD) return listOf(unknown)
    val found = mutableListOf<Int>()
    var start = 0
    while (start < points.size) {
      val prefix = if (start > 0) "##" else ""
      val end = (points.size downTo start + 1).firstOrNull {
        prefix + String(points, start, it - start) in ids
      } ?: return listOf(unknown)
      found += ids.getValue(prefix + String(points, start, end - start))
      start = end
    }
    return found
  }

  private companion object {
    const val LONGEST_WORD = 100

    fun isBlank(point: Int) = when (point) {
      '\t'.code, '\n'.code, '\r'.code -> true
      else -> Character.isSpaceChar(point)
    }

    fun isControl(point: Int) = when (Character.getType(point).toByte()) {
      Character.CONTROL, Character.FORMAT, Character.PRIVATE_USE, Character.SURROGATE -> true
      else -> false
    }

    fun isPunctuation(point: Int) = when (Character.getType(point).toByte()) {
      Character.CONNECTOR_PUNCTUATION, Character.DASH_PUNCTUATION, Character.START_PUNCTUATION,
      Character.END_PUNCTUATION, Character.INITIAL_QUOTE_PUNCTUATION, Character.FINAL_QUOTE_PUNCTUATION,
      Character.OTHER_PUNCTUATION -> true
      else -> point in 33..47 || point in 58..64 || point in 91..96 || point in 123..126 // ASCII's symbols, too
    }

    val IDEOGRAPHS = listOf(
      0x3400..0x4DBF, 0x4E00..0x9FFF, 0xF900..0xFAFF, 0x20000..0x2A6DF, 0x2A700..0x2B81F, 0x2B920..0x2CEAF,
      0x2F800..0x2FA1F,
    )

    fun isIdeograph(point: Int) = IDEOGRAPHS.any { point in it }
  }
}
