import Foundation

/// Why a sound checkpoint cannot be used: it is of another model or another optimizer.
public enum CheckpointError: Error, CustomStringConvertible {
  /// The first difference, in words.
  case mismatch(String)

  public var description: String {
    switch self {
    case .mismatch(let difference): "the checkpoint is of another model: \(difference)"
    }
  }
}

/// Everything a training run needs to go on bit for bit: parameters, the optimizer's vectors, the step (from
/// which the schedule and the random keys follow), the key, and what they belong to. A safetensors file with
/// the parameters under their own names, "model.stem.conv1.weight", so that other programs can read them.
public struct Checkpoint: Sendable, Equatable, CustomStringConvertible {
  /// What the model is, in words: compared when the checkpoint is loaded.
  public var architecture: String
  /// Name of the optimizer.
  public var optimizer: String
  /// Steps done.
  public var step: Int
  package var key: SIMD2<UInt32>
  /// Parameters by dotted name, in the model's order.
  package var parameters: [NamedArray]
  /// Vectors of the optimizer by name.
  package var state: [NamedArray]
  /// What the caller wants to find again: the epoch, results so far.
  public var notes: [String: String]

  /// What it is of; no numbers.
  public var description: String {
    let count = parameters.reduce(0) { $0 + $1.array.shape.count }
    return "checkpoint of \(architecture) after \(step) steps of \(optimizer): "
      + "\(count) parameters in \(parameters.count) tensors"
      + (notes.isEmpty ? "" : ", notes \(notes.keys.sorted().joined(separator: ", "))")
  }

  private static let format = "NODECore checkpoint 2"

  package init(
    architecture: String, optimizer: String, step: Int, key: SIMD2<UInt32>, parameters: [NamedArray],
    state: [NamedArray], notes: [String: String]
  ) {
    self.architecture = architecture
    self.optimizer = optimizer
    self.step = step
    self.key = key
    self.parameters = parameters
    self.state = state
    self.notes = notes
  }

  /// Reads a file. Throws `FileError`.
  public init(contentsOf path: String) throws {
    self = try WholeFile.read(path) { try Checkpoint($0) }
  }

  /// Reads a file's bytes. Throws `FileError`.
  public init(_ bytes: [UInt8]) throws {
    let file = try Safetensors(bytes)
    func malformed(_ place: String, expected: String, found: String) -> FileError {
      FileError(.malformed, in: "checkpoint: \(place)", expected: expected, found: found)
    }
    func entry(_ name: String) throws -> String {
      guard let text = file.metadata[name] else {
        throw malformed("metadata", expected: "an entry \(name)", found: "none")
      }
      return text
    }
    let format = try entry("format")
    guard format == Checkpoint.format else {
      throw FileError(
        .unsupported, in: "checkpoint: format", expected: Checkpoint.format, found: format.debugDescription)
    }
    architecture = try entry("architecture")
    optimizer = try entry("optimizer")
    let stepText = try entry("step"), keyText = try entry("key")
    // A count that training goes on from: every step adds 1.
    guard let step = Int(stepText), (0...1 << 53).contains(step) else {
      throw malformed("step", expected: "a count up to 2^53", found: stepText.debugDescription)
    }
    let words = keyText.split(separator: " ").compactMap { UInt32($0) }
    guard words.count == 2 else {
      throw malformed("key", expected: "two words", found: keyText.debugDescription)
    }
    self.step = step
    key = SIMD2(words[0], words[1])
    func arrays(_ prefix: String) -> [NamedArray] {
      file.arrays.filter { $0.name.hasPrefix(prefix) }.map { named in
        NamedArray(String(named.name.dropFirst(prefix.count)), named.array)
      }
    }
    let written = try entry(Checkpoint.digestName), digest = Checkpoint.digest(file)
    guard written == digest else {
      throw malformed("checksum", expected: "content with the SHA-256 \(written)", found: digest)
    }
    parameters = arrays("model.")
    state = arrays("optimizer.")
    guard parameters.count + state.count == file.arrays.count else {
      throw malformed(
        "tensors", expected: "those of model and optimizer only", found: "\(file.arrays.count) in all")
    }
    notes = [:]
    for (name, text) in file.metadata where name.hasPrefix("note.") {
      notes[String(name.dropFirst(5))] = text
    }
  }

  /// The file's bytes.
  public var encoded: [UInt8] {
    var metadata = [
      "format": Checkpoint.format, "architecture": architecture, "optimizer": optimizer, "step": String(step),
      "key": "\(key.x) \(key.y)",
    ]
    for (name, text) in notes { metadata["note." + name] = text }
    func prefixed(_ prefix: String, _ arrays: [NamedArray]) -> [NamedArray] {
      arrays.map { NamedArray(prefix + $0.name, $0.array) }
    }
    var file = Safetensors(
      arrays: prefixed("model.", parameters) + prefixed("optimizer.", state), metadata: metadata)
    file.metadata[Checkpoint.digestName] = Checkpoint.digest(file)
    return file.encoded
  }

  private static let digestName = "sha256"

  /// Of everything that the file holds, but for the digest itself.
  private static func digest(_ file: Safetensors) -> String {
    let texts = file.metadata.filter { $0.key != digestName }.sorted { $0.key < $1.key }
      .map { "\($0.key)\0\($0.value)\0" }
    let types = file.arrays.map { "\($0.name)\0\($0.array.dtype)\($0.array.shape)\0" }
    return SHA256.hexDigest(
      of: file.arrays.reduce(into: Array((texts + types).joined().utf8)) { $0 += $1.array.bytes })
  }

  /// Writes a temporary file beside `path` and renames it: an interrupted write leaves the old checkpoint.
  /// Throws `FileError`.
  public func write(to path: String) throws { try WholeFile.write(encoded, to: path) }

  /// Throws naming the first difference between what is stored and what a model and its optimizer need.
  package func check(architecture: String, layout: ParameterLayout, optimizer: String, stateNames: [String])
    throws
  {
    func different(_ text: String) -> CheckpointError { .mismatch(text) }
    guard self.architecture == architecture else {
      throw different("it is a \(self.architecture), not a \(architecture)")
    }
    for (i, entry) in layout.entries.enumerated() {
      guard i < parameters.count else {
        throw different("it has \(parameters.count) parameters, and \(entry.name) is not among them")
      }
      let name = parameters[i].name, stored = parameters[i].array
      guard name == entry.name, stored.shape == entry.shape, stored.dtype == entry.dtype else {
        throw different(
          "its parameter \(i) is \(name), \(stored.dtype)\(stored.shape), "
            + "where \(entry.name), \(entry.dtype)\(entry.shape), is expected")
      }
    }
    guard parameters.count == layout.entries.count else {
      throw different("its parameter \(parameters[layout.entries.count].name) is not in the model")
    }
    guard self.optimizer == optimizer, state.map(\.name) == stateNames else {
      throw different(
        "it was trained by \(self.optimizer) with the state \(state.map(\.name)), not \(optimizer) with \(stateNames)"
      )
    }
    for item in state where item.array.shape != [layout.count] || item.array.dtype != layout.entries[0].dtype
    {
      throw different(
        "the optimizer's \(item.name) is \(item.array.dtype)\(item.array.shape), not of \(layout.count) elements"
      )
    }
  }
}

extension CheckpointError: LocalizedError {
  /// As in print.
  public var errorDescription: String? { description }
}
