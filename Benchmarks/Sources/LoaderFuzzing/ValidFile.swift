import NODECore

/// A file that has to be read, and the arrays that it holds.
struct ValidFile {
  var bytes: [UInt8]
  var arrays: [NamedArray]

  static func shape(_ dice: inout Dice) -> Shape {
    Shape((0..<dice.pick([0, 1, 1, 2, 2, 3, 4, 8])).map { _ in dice.pick([0, 1, 1, 2, 2, 3, 5]) })
  }

  static func array(_ dice: inout Dice) -> StoredArray {
    let dtype = dice.pick(DType.allCases), shape = shape(&dice)
    return StoredArray(dtype: dtype, shape: shape, bytes: dice.bytes(shape.count * dtype.byteCount))
  }

  static func named(_ dice: inout Dice) -> [NamedArray] {
    let names = [
      "w", "layers/0/bias", "b.c", "\u{e9}", "a b", "x\"y", "long" + String(repeating: "g", count: 90),
    ]
    return names.shuffled(using: &dice).prefix(dice.below(5)).map { NamedArray($0, array(&dice)) }
  }

  /// An .npy file in one of numpy's spellings: version, byte order, order of the axes, blanks.
  static func npy(_ array: StoredArray, _ dice: inout Dice) -> [UInt8] {
    if dice.oneIn(3) { return NPY(array).encoded }
    let version = 1 + dice.below(3), isBig = dice.oneIn(2), size = array.dtype.byteCount
    // In column order only where that is the same: at most one axis is longer than 1.
    let isFortran = array.shape.dimensions.filter { $0 > 1 }.count <= 1 && dice.oneIn(2)
    let code = array.dtype == .float32 ? "f4" : array.dtype == .float64 ? "f8" : "i4"
    let extents = array.shape.dimensions.map { "\($0)\(version < 3 && dice.oneIn(5) ? "L" : "")" }.joined(
      separator: ", ")
    let quote = dice.pick(["'", "\""])
    let entries = [
      "\(quote)descr\(quote): '\(isBig ? ">" : "<")\(code)'",
      "'fortran_order': \(isFortran ? "True" : "False")",
      "'shape': (\(extents)\(array.shape.rank == 1 ? "," : ""))",
    ].shuffled(using: &dice).joined(separator: ", ")
    let text =
      "{\(entries)\(dice.oneIn(2) ? ", " : "")}" + String(repeating: " ", count: dice.below(60)) + "\n"
    var data = array.bytes
    if isBig {
      for start in stride(from: 0, to: data.count, by: size) { data[start..<start + size].reverse() }
    }
    let magic: [UInt8] = [0x93] + Array("NUMPY".utf8) + [UInt8(version), 0]
    return magic + number(UInt64(text.utf8.count), version == 1 ? 2 : 4) + Array(text.utf8) + data
  }

  static func checkpointMetadata(_ arrays: [NamedArray], _ dice: inout Dice) -> [String: String] {
    var metadata = [
      "format": "NODECore checkpoint 2", "architecture": "Net", "optimizer": "sgd",
      "step": "\(dice.below(99))",
      "key": "1 2", "note.epoch": "3",
    ]
    if dice.oneIn(4) {
      metadata[dice.pick(Array(metadata.keys.sorted()))] = dice.pick([
        "", "-1", "1 2 3", "99999999999999999999", "\u{e9}",
      ])
    }
    if dice.oneIn(8) { metadata[dice.pick(metadata.keys.sorted())] = nil }
    // The checksum of Checkpoint: whatever is in the file, the rest of the checks is reached.
    let texts = metadata.sorted { $0.key < $1.key }.map { "\($0.key)\0\($0.value)\0" }
    let types = arrays.map { "\($0.name)\0\($0.array.dtype)\($0.array.shape)\0" }
    metadata["sha256"] = SHA256.hexDigest(
      of: arrays.reduce(into: Array((texts + types).joined().utf8)) { $0 += $1.array.bytes })
    return metadata
  }
}
