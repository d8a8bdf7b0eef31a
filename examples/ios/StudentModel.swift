import Foundation
import LiteRT

enum StudentError: LocalizedError {
  case file(String)
  case noMask

  var errorDescription: String? {
    switch self {
    case .file(let fault): return "\(fault): copy the files of an export into the app again."
    case .noMask: return "Write [MASK] where a word is missing. The end of a long text is cut off."
    }
  }
}

/// A student from the folder `export` of a run, run by LiteRT on the CPU: a classifier, or a model of masked words.
///
/// The app's bundle holds a .tflite file, vocab.txt, tokenizer_config.json and, for a classifier, labels.txt. An
/// actor, because a model answers one text after the other.
actor StudentModel {
  struct Prediction {
    let name: String
    let share: Float
  }

  private struct Signature {
    let index: Int
    let length: Int
    let inputNames: [String]
    let outputNames: [String]
    let inputs: [TensorBuffer]
    let outputs: [TensorBuffer]
  }

  private let tokenizer: WordPiece
  private let labels: [String]
  private let environment: Environment
  private let compiled: CompiledModel
  private let signatures: [Signature]  // the shortest first

  /// - Parameter name: of the .tflite file in the bundle, without its ending.
  init(name: String = "student_int8") throws {
    let settings = try JSONSerialization.jsonObject(with: Self.resource("tokenizer_config", "json"))
    let values = settings as? [String: Any] ?? [:]
    tokenizer = try WordPiece(
      words: Self.lines(Self.resource("vocab", "txt")),
      lowerCase: values["do_lower_case"] as? Bool ?? true,
      stripAccents: values["strip_accents"] as? Bool,
      splitIdeographs: values["tokenize_chinese_chars"] as? Bool ?? true)
    labels = (try? Self.lines(Self.resource("labels", "txt"))) ?? []
    let environment = try Environment()
    let compiled = try Self.compile(name: name, environment: environment)
    self.environment = environment
    self.compiled = compiled
    signatures = try compiled.signatureKeys().indices
      .map { try Self.signature($0, of: compiled) }
      .sorted { $0.length < $1.length }
  }

  /// Classes and their probabilities, or words for the first [MASK] of a text; the best comes first.
  func predict(_ text: String, count: Int = 5) throws -> [Prediction] {
    guard let longest = signatures.last?.length else { throw StudentError.file("The model has no signature") }
    let ids = tokenizer.encode(text, length: longest)
    let names: [String]
    let scores: [Float]
    if labels.isEmpty {
      guard let position = ids.firstIndex(of: tokenizer.mask) else { throw StudentError.noMask }
      names = tokenizer.tokens
      scores = Self.softmax(try run(ids, maskedPosition: position, output: "logits"))
    } else {
      names = labels
      scores = try run(ids, maskedPosition: 0, output: "probabilities")
    }
    let best = names.indices.sorted { scores[$0] > scores[$1] }.prefix(count)
    return best.map { Prediction(name: names[$0], share: scores[$0]) }
  }

  /// Runs the shortest signature that holds the ids, with its inputs by name.
  private func run(_ ids: [Int32], maskedPosition: Int, output: String) throws -> [Float] {
    guard let signature = signatures.first(where: { $0.length >= ids.count }),
      let wanted = signature.outputNames.firstIndex(of: output)
    else { throw StudentError.file("The model has no output \(output)") }
    let padding = signature.length - ids.count
    for (name, buffer) in zip(signature.inputNames, signature.inputs) {
      switch name {
      case "input_ids": try buffer.write(ids + Array(repeating: tokenizer.padding, count: padding))
      case "attention_mask":
        try buffer.write(Array(repeating: Int32(1), count: ids.count) + Array(repeating: Int32(0), count: padding))
      case "token_type_ids": try buffer.write(Array(repeating: Int32(0), count: signature.length))
      case "masked_positions": try buffer.write([Int32(maskedPosition)])
      default: throw StudentError.file("The model has an unknown input \(name)")
      }
    }
    try compiled.run(inputs: signature.inputs, outputs: signature.outputs, signatureIndex: signature.index)
    return try signature.outputs[wanted].read()
  }

  private static func signature(_ index: Int, of compiled: CompiledModel) throws -> Signature {
    let inputNames = try (0..<compiled.inputCount(signatureIndex: index)).map {
      try compiled.inputName(inputIndex: $0, signatureIndex: index)
    }
    let outputNames = try (0..<compiled.outputCount(signatureIndex: index)).map {
      try compiled.outputName(outputIndex: $0, signatureIndex: index)
    }
    guard let place = inputNames.firstIndex(of: "input_ids") else {
      throw StudentError.file("The model has no input input_ids")
    }
    let type = try compiled.inputTensorType(inputIndex: place, signatureIndex: index)
    return Signature(
      index: index,
      length: Int(type.layout.dimensions[1]),
      inputNames: inputNames,
      outputNames: outputNames,
      inputs: try compiled.createInputBuffers(signatureIndex: index),
      outputs: try compiled.createOutputBuffers(signatureIndex: index))
  }

  /// Prepares all signatures. They share their prepared weights by a file, which later starts read, too.
  private static func compile(name: String, environment: Environment) throws -> CompiledModel {
    guard let path = Bundle.main.path(forResource: name, ofType: "tflite") else {
      throw StudentError.file("There is no \(name).tflite")
    }
    let folder = try FileManager.default.url(
      for: .cachesDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
    let version = Bundle.main.object(forInfoDictionaryKey: "CFBundleVersion") as? String ?? ""
    let cache = folder.appendingPathComponent("\(name)-\(version).weights")  // an update needs another file
    func compiled() throws -> CompiledModel {
      let cpu = try CpuOptions()
      try cpu.setXNNPackWeightCachePath(cache.path)
      let options = try Options()
      try options.setHardwareAccelerators([.cpu])
      try options.addConcreteOptions(cpu)
      return try CompiledModel(filePath: path, environment: environment, options: options)
    }
    do {
      return try compiled()
    } catch {  // a damaged cache
      try? FileManager.default.removeItem(at: cache)
      return try compiled()
    }
  }

  private static func resource(_ name: String, _ type: String) throws -> Data {
    guard let url = Bundle.main.url(forResource: name, withExtension: type) else {
      throw StudentError.file("There is no \(name).\(type)")
    }
    return try Data(contentsOf: url)
  }

  private static func lines(_ data: Data) -> [String] {
    let lines = String(decoding: data, as: UTF8.self).components(separatedBy: "\n")
    return lines.last == "" ? Array(lines.dropLast()) : lines
  }

  private static func softmax(_ logits: [Float]) -> [Float] {
    let largest = logits.max() ?? 0
    let shares = logits.map { exp($0 - largest) }
    let sum = shares.reduce(0, +)
    return shares.map { $0 / sum }
  }
}
