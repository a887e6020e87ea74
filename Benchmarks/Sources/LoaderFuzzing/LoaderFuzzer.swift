import NODECore
import RunnerSupport

/// One case each seed: a sound file of some format, damaged or not, is given to its reader. The reader must give what was
/// written where nothing was damaged, and otherwise something that it reads again after writing it, or the format's error.
/// It must never do anything else: a crash ends the process, and the seed makes it again.
public enum LoaderFuzzer {
  public enum Format: String, CaseIterable, Sendable {
    case npy, npz, safetensors, checkpoint, idx, gzip, noise
  }

  public struct Case: Sendable {
    public var format: Format
    public var isDamaged: Bool
    /// Whether the reader took it.
    public var isAccepted: Bool
    /// What the reader did that it must not do.
    public var finding: String?
  }

  public static func run(seed: UInt64) -> Case {
    var dice = Dice(seed: seed)
    let format = dice.pick(Format.allCases)
    let changes = dice.pick([0, 1, 1, 1, 2, 2, 3, 5, 9])
    // A third of the damage is done inside, where the checksums around it still hold.
    let isInner = dice.oneIn(3)
    var bytes: [UInt8] = []
    var arrays: [NamedArray] = []
    func damage(_ bytes: inout [UInt8], _ isHere: Bool) {
      if isHere { for _ in 0..<changes { Mutation.apply(&bytes, &dice) } }
    }
    var limit = 0
    let read: Reader
    switch format {
    case .npy:
      let array = ValidFile.array(&dice)
      arrays = [NamedArray("", array)]
      bytes = ValidFile.npy(array, &dice)
      damage(&bytes, true)
      limit = 4 * bytes.count
      read = npy
    case .npz:
      arrays = ValidFile.named(&dice)
      var builder = ZipBuilder()
      for named in arrays {
        var content = ValidFile.npy(named.array, &dice)
        damage(&content, isInner)
        builder.append(named.name + ".npy", content, &dice)
      }
      bytes = dice.oneIn(4) && !isInner ? NPZ(arrays: arrays).encoded : builder.finished(&dice)
      damage(&bytes, !isInner)
      limit = 4 * 1032 * bytes.count
      read = npz
    case .safetensors, .checkpoint:
      arrays = ValidFile.named(&dice)
      if format == .checkpoint {
        arrays = arrays.enumerated().map {
          NamedArray((dice.oneIn(9) ? "" : $0 % 2 == 0 ? "model." : "optimizer.") + $1.name, $1.array)
        }
      }
      let metadata =
        format == .checkpoint
        ? ValidFile.checkpointMetadata(arrays, &dice) : dice.oneIn(2) ? ["a": "\u{e9}\"\n"] : [:]
      bytes = Safetensors(arrays: arrays, metadata: metadata).encoded
      // Behind the checksum: what ValidFile puts into the metadata.
      damage(&bytes, format == .safetensors || !isInner)
      limit = 4 * bytes.count
      read = format == .checkpoint ? checkpoint : safetensors
    case .idx, .gzip:
      let shape = (0..<1 + dice.below(4)).map { _ in dice.pick([0, 1, 2, 5]) }
      let count = shape.reduce(1, *)
      let elements = dice.bytes(count)
      arrays = [
        NamedArray(
          "",
          StoredArray(dtype: .int32, shape: Shape(shape), bytes: elements.flatMap { number(UInt64($0), 4) }))
      ]
      bytes = IDXArray(dimensions: shape, elements: elements).encoded
      damage(&bytes, format == .idx || isInner)
      limit = 4 * bytes.count
      if format == .gzip {
        bytes = deflated(bytes, asGzip: true)
        damage(&bytes, !isInner)
        limit = 4 * 1032 * bytes.count
      }
      read = idx
    case .noise:
      // No structure at all, but perhaps the start of one.
      let starts: [[UInt8]] = [
        [], [0x93] + Array("NUMPY".utf8) + [1, 0], [0x1f, 0x8b, 8], [0, 0, 8, 2], number(9, 8) + [0x7b],
        [0x50, 0x4b, 3, 4],
      ]
      bytes =
        dice.pick(starts) + dice.bytes(dice.below(200))
        + (dice.oneIn(3) ? number(0x0605_4b50, 4) + dice.bytes(18) : [])
      limit = 4 * 1032 * bytes.count
      read = dice.pick([npy, npz, safetensors, checkpoint, idx])
    }
    let isDamaged = format == .noise || changes > 0
    var result = Case(format: format, isDamaged: isDamaged, isAccepted: false, finding: nil)
    do {
      let (found, again) = try read(bytes)
      result.isAccepted = true
      let size = found.reduce(0) { $0 + $1.array.bytes.count }
      if size > limit {
        result.finding = "\(bytes.count) bytes of file became \(size) of arrays"
      } else if !isDamaged, format != .checkpoint, found != arrays {
        result.finding = "a sound file is read as something else"
      } else if try again() != found {
        result.finding = "written and read again, the content is another one"
      }
    } catch let error as FileError {
      if result.isAccepted { result.finding = "what was read cannot be written and read again: \(error)" }
      if !isDamaged, format != .checkpoint { result.finding = "a sound file is refused: \(error)" }
      if error.description.count > 4000 {
        result.finding = "an error of \(error.description.count) characters"
      }
    } catch is CheckpointError where format == .checkpoint || format == .noise {
      // A sound checkpoint of another model.
    } catch {
      result.finding = "an error that is not the format's: \(type(of: error)): \(error)"
    }
    return result
  }

  private typealias Reader =
    @Sendable ([UInt8]) throws -> (arrays: [NamedArray], again: () throws -> [NamedArray])

  private static let npy: Reader = { bytes in
    let file = try NPY(bytes)
    return ([NamedArray("", file.array)], { [NamedArray("", try NPY(file.encoded).array)] })
  }

  private static let npz: Reader = { bytes in
    let file = try NPZ(bytes, inflate: inflated)
    return (file.arrays, { try NPZ(file.encoded).arrays })
  }

  private static let safetensors: Reader = { bytes in
    let file = try Safetensors(bytes)
    return (
      file.arrays,
      {
        let again = try Safetensors(file.encoded)
        return again.metadata == file.metadata ? again.arrays : []
      }
    )
  }

  private static let idx: Reader = { bytes in
    func named(_ file: IDXArray) -> [NamedArray] {
      let bytes = file.elements.flatMap { number(UInt64($0), 4) }
      return [NamedArray("", StoredArray(dtype: .int32, shape: Shape(file.dimensions), bytes: bytes))]
    }
    let file = try IDXArray(bytes) { try gunzip($0) }
    return (named(file), { named(try IDXArray(file.encoded)) })
  }

  /// Also offered to a trainer of a model that it may not be of.
  private static let checkpoint: Reader = { bytes in
    let file = try Checkpoint(bytes)
    var trainer = Trainer(
      MLP<Float>(1, 2, 1, activation: .tanh, key: RandomKey(seed: 0)), optimizer: .sgd(learningRate: 1)
    ) {
      (model: MLP<Float>, x: Tensor<Float>) in model(x).sum()
    }
    do { try trainer.restore(file) } catch is CheckpointError {}
    // Its arrays are the library's own: equality is that of the whole checkpoint.
    return ([], { if try Checkpoint(file.encoded) != file { throw Unequal() } else { return [] } })
  }

  private struct Unequal: Error {}
}
