import Foundation

/// BERT's WordPiece tokenizer, with the ids of the Python package `tokenizers`.
///
/// The rules are those of its BertNormalizer, BertPreTokenizer and WordPiece.
struct WordPiece {
  let tokens: [String]
  let mask: Int32
  let padding: Int32

  private let ids: [[UInt8]: Int32]  // by UTF-8: equal strings of Swift may have other characters
  private let unknown: Int32
  private let first: Int32
  private let last: Int32
  private let lowerCase: Bool
  private let stripAccents: Bool
  private let splitIdeographs: Bool
  private static let longestWord = 100

  /// - Parameters:
  ///   - words: the lines of vocab.txt.
  ///   - lowerCase: `do_lower_case` of tokenizer_config.json.
  ///   - stripAccents: `strip_accents`; nil: as `lowerCase`.
  ///   - splitIdeographs: `tokenize_chinese_chars`.
  init(words: [String], lowerCase: Bool = true, stripAccents: Bool? = nil, splitIdeographs: Bool = true) throws {
    let pairs = words.enumerated().map { (Array($1.utf8), Int32($0)) }
    let ids = Dictionary(pairs, uniquingKeysWith: { _, later in later })
    func id(_ token: String) throws -> Int32 {
      guard let found = ids[Array(token.utf8)] else { throw StudentError.file("vocab.txt has no \(token)") }
      return found
    }
    tokens = words
    self.ids = ids
    (unknown, first, last) = (try id("[UNK]"), try id("[CLS]"), try id("[SEP]"))
    (mask, padding) = (try id("[MASK]"), try id("[PAD]"))
    self.lowerCase = lowerCase
    self.stripAccents = stripAccents ?? lowerCase
    self.splitIdeographs = splitIdeographs
  }

  /// The ids of a text with [CLS] and [SEP], at most `length`; [MASK] in the text is the mask token.
  func encode(_ text: String, length: Int) -> [Int32] {
    var found: [Int32] = []
    for (number, part) in text.components(separatedBy: "[MASK]").enumerated() {
      if number > 0 { found.append(mask) }
      found += words(normalize(part)).flatMap { pieces(of: $0) }
    }
    return [first] + found.prefix(length - 2) + [last]
  }

  private func normalize(_ text: String) -> String {
    var cleaned = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if Self.isBlank(scalar) {
        cleaned.append(" ")
      } else if scalar.value == 0 || scalar.value == 0xFFFD || Self.isControl(scalar) {
        continue
      } else if splitIdeographs && Self.isIdeograph(scalar) {
        cleaned.append(contentsOf: [" ", scalar, " "])
      } else {
        cleaned.append(scalar)
      }
    }
    if stripAccents {
      let decomposed = String(cleaned).decomposedStringWithCanonicalMapping
      cleaned = decomposed.unicodeScalars.filter { $0.properties.generalCategory != .nonspacingMark }
    }
    // Each character by itself: a sigma at the end of a word would become another letter.
    return lowerCase ? cleaned.map(\.properties.lowercaseMapping).joined() : String(cleaned)
  }

  /// Words lie between blanks, and each punctuation mark is one. Arrays of scalars: a `Character` may hold several.
  private func words(_ text: String) -> [[Unicode.Scalar]] {
    var found: [[Unicode.Scalar]] = []
    var word: [Unicode.Scalar] = []
    func endWord() {
      if !word.isEmpty { found.append(word) }
      word = []
    }
    for scalar in text.unicodeScalars {
      if scalar == " " {
        endWord()
      } else if Self.isPunctuation(scalar) {
        endWord()
        found.append([scalar])
      } else {
        word.append(scalar)
      }
    }
    endWord()
    return found
  }

  /// The longest pieces of a word that the vocabulary has, from its beginning.
  private func pieces(of word: [Unicode.Scalar]) -> [Int32] {
    guard word.count <= Self.longestWord else { return [unknown] }
    var found: [Int32] = []
    var start = 0
    while start < word.count {
      var end = word.count
      var id: Int32?
      while end > start {
        id = ids[Self.key(word[start..<end], continues: start > 0)]
        if id != nil { break }
        end -= 1
      }
      guard let id else { return [unknown] }
      found.append(id)
      start = end
    }
    return found
  }

  private static func key(_ scalars: ArraySlice<Unicode.Scalar>, continues: Bool) -> [UInt8] {
    Array((continues ? "##" : "").utf8) + Array(String(String.UnicodeScalarView(scalars)).utf8)
  }

  private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\t", "\n", "\r": return true
    default: break
    }
    switch scalar.properties.generalCategory {
    case .spaceSeparator, .lineSeparator, .paragraphSeparator: return true
    default: return false
    }
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .privateUse, .surrogate: return true
    default: return false
    }
  }

  private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {  // ASCII's symbols, too
    case 33...47, 58...64, 91...96, 123...126: return true
    default: break
    }
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      return true
    default: return false
    }
  }

  private static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B81F,
      0x2B920...0x2CEAF, 0x2F800...0x2FA1F:
      return true
    default: return false
    }
  }
}
