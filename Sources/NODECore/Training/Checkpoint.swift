import Foundation

/// Why a checkpoint cannot be used.
public enum CheckpointError: Error, CustomStringConvertible {
  case unreadable(path: String, why: String)
  case unwritable(path: String, why: String)
  case damaged(String)
  case mismatch(String)

  public var description: String {
    switch self {
    case .unreadable(let path, let why): "the checkpoint \(path) cannot be read: \(why)"
    case .unwritable(let path, let why): "the checkpoint \(path) cannot be written: \(why)"
    case .damaged(let why): "the checkpoint is damaged: \(why)"
    case .mismatch(let difference): "the checkpoint is of another model: \(difference)"
    }
  }
}

/// Everything a training run needs to go on bit for bit: parameters, the optimizer's vectors, the step (from
/// which the schedule and the random keys follow), the key, and what they belong to. A safetensors file with
/// the parameters under their own names, "model.stem.conv1.weight", so that other programs can read them.
public struct Checkpoint: Sendable, Equatable {
  /// What the model is, in words: compared when the checkpoint is loaded.
  public var architecture: String
  /// Name of the optimizer.
  public var optimizer: String
  /// Steps done.
  public var step: Int
  package var key: SIMD2<UInt32>
  /// Parameters by dotted name, in the model's order.
  package var parameters: [Safetensors.Item]
  /// Vectors of the optimizer by name.
  package var state: [Safetensors.Item]
  /// What the caller wants to find again: the epoch, results so far.
  public var notes: [String: String]

  private static let format = "NODECore checkpoint 2"

  package init(
    architecture: String, optimizer: String, step: Int, key: SIMD2<UInt32>, parameters: [Safetensors.Item],
    state: [Safetensors.Item], notes: [String: String]
  ) {
    self.architecture = architecture
    self.optimizer = optimizer
    self.step = step
    self.key = key
    self.parameters = parameters
    self.state = state
    self.notes = notes
  }

  /// Reads a file. Throws `CheckpointError`.
  public init(contentsOf path: String) throws {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw CheckpointError.unreadable(path: path, why: error.localizedDescription)
    }
    do { try self.init([UInt8](data)) } catch {
      throw CheckpointError.unreadable(path: path, why: "\(error)")
    }
  }

  /// Reads a file's bytes. Throws `SafetensorsError` or `CheckpointError`.
  public init(_ bytes: [UInt8]) throws {
    let file = try Safetensors(bytes)
    func entry(_ name: String) throws -> String {
      guard let text = file.metadata[name] else {
        throw CheckpointError.damaged("its entry \(name) is missing")
      }
      return text
    }
    let format = try entry("format")
    guard format == Checkpoint.format else { throw CheckpointError.damaged("its format is \"\(format)\"") }
    architecture = try entry("architecture")
    optimizer = try entry("optimizer")
    let stepText = try entry("step"), keyText = try entry("key")
    let words = keyText.split(separator: " ").compactMap { UInt32($0) }
    guard let step = Int(stepText), step >= 0, words.count == 2 else {
      throw CheckpointError.damaged("its step is \"\(stepText)\" and its key \"\(keyText)\"")
    }
    self.step = step
    key = SIMD2(words[0], words[1])
    func items(_ prefix: String) -> [Safetensors.Item] {
      file.items.filter { $0.name.hasPrefix(prefix) }.map { item in
        var item = item
        item.name.removeFirst(prefix.count)
        return item
      }
    }
    guard try entry(Checkpoint.digestName) == Checkpoint.digest(file) else {
      throw CheckpointError.damaged("its content does not have the checksum that was written with it")
    }
    parameters = items("model.")
    state = items("optimizer.")
    guard parameters.count + state.count == file.items.count else {
      throw CheckpointError.damaged("it holds tensors that are neither the model's nor the optimizer's")
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
    func prefixed(_ prefix: String, _ items: [Safetensors.Item]) -> [Safetensors.Item] {
      items.map {
        Safetensors.Item(name: prefix + $0.name, dtype: $0.dtype, shape: $0.shape, bytes: $0.bytes)
      }
    }
    var file = Safetensors(
      items: prefixed("model.", parameters) + prefixed("optimizer.", state), metadata: metadata)
    file.metadata[Checkpoint.digestName] = Checkpoint.digest(file)
    return file.encoded
  }

  private static let digestName = "sha256"

  /// Of everything that the file holds, but for the digest itself.
  private static func digest(_ file: Safetensors) -> String {
    let texts = file.metadata.filter { $0.key != digestName }.sorted { $0.key < $1.key }
      .map { "\($0.key)\0\($0.value)\0" }
    let types = file.items.map { "\($0.name)\0\($0.dtype)\($0.shape)\0" }
    return SHA256.hexDigest(of: Array((texts + types).joined().utf8) + file.items.flatMap(\.bytes))
  }

  /// Writes a temporary file beside `path` and renames it: an interrupted write leaves the old checkpoint.
  public func write(to path: String) throws {
    do { try Data(encoded).write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
      throw CheckpointError.unwritable(path: path, why: error.localizedDescription)
    }
  }

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
      let stored = parameters[i]
      guard stored.name == entry.name, stored.shape == entry.shape, stored.dtype == entry.dtype else {
        throw different(
          "its parameter \(i) is \(stored.name), \(stored.dtype)\(stored.shape), "
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
    for item in state where item.shape != [layout.count] || item.dtype != layout.entries[0].dtype {
      throw different(
        "the optimizer's \(item.name) is \(item.dtype)\(item.shape), not of \(layout.count) elements")
    }
  }
}
