import Foundation
import Testing

@testable import NODECore

@Suite struct NPZTests {
  private let example = NPZ(arrays: [
    NamedArray("layers/0/weight", try! StoredArray(Tensor<Float>([1, 2, 3, 4, 5, 6], shape: [2, 3]))),
    NamedArray("é", try! StoredArray(Tensor<Double>(.pi))),
    NamedArray("empty", try! StoredArray(Tensor<Int32>.zeros([0, 2]))),
  ])

  @Test func readsWhatNumpyWrites() throws {
    let stored = try NPZ(NumpyFile.stored)
    #expect(stored.arrays.map(\.name) == ["w", "labels"])
    #expect(try stored.tensor("w", of: Float.self).scalars == [0, 1, 2])
    #expect(try stored.tensor("labels", of: Int32.self).scalars == [0, 1])
    #expect(try NPZ(NumpyFile.streamed).tensor("a", of: Float.self).scalars == [0, 1])
    let error = #expect(throws: FileError.self) { try stored.tensor("b", of: Float.self) }
    #expect(error?.description == "names: expected an array b, found w, labels")
    let other = #expect(throws: FileError.self) { try stored.tensor("w", of: Double.self) }
    #expect(other?.description == "array w: expected float64, found float32[3]")
  }

  @Test func compressedEntriesNeedADecompressor() throws {
    let error = #expect(throws: FileError.self) { try NPZ(NumpyFile.deflated) }
    #expect(
      error?.description
        == "npz: layers/0.npy: expected stored data (numpy.savez), or a function `inflate`, "
        + "found deflated data (numpy.savez_compressed)")
    // What inflate gives is held against the size and the checksum in the file.
    struct Broken: Error {}
    for inflate: NPZ.Inflate in [
      { _, size in [UInt8](repeating: 0, count: size) }, { bytes, _ in bytes }, { _, _ in throw Broken() },
    ] {
      let error = #expect(throws: FileError.self) { try NPZ(NumpyFile.deflated, inflate: inflate) }
      #expect(error?.reason == .malformed)
    }
  }

  @Test func thereAndBackBitForBit() throws {
    let file = example.encoded
    #expect(try NPZ(file) == example)
    #expect(file == example.encoded)
    #expect(try NPZ(NPZ(arrays: []).encoded).arrays.isEmpty)
    // The long forms, as files above 4 GB have them.
    for limit in [0, 150, 400] as [UInt64] {
      let long = example.encoded(zip64Above: limit)
      #expect(long.count > file.count)
      #expect(try NPZ(long) == example)
    }
    let path = FileManager.default.temporaryDirectory.path + "/npz-\(UUID().uuidString).npz"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try example.write(to: path)
    #expect(try NPZ(contentsOf: path) == example)
  }

  /// The published check value.
  @Test func checksum() {
    #expect(CRC32.checksum(Array("123456789".utf8)[...]) == 0xCBF4_3926)
    #expect(CRC32.checksum([]) == 0)
  }

  /// A changed copy, by the place of a pattern in it.
  private func changed(
    _ bytes: [UInt8], _ pattern: [UInt8], occurrence: Int = 0, offset: Int, to replacement: [UInt8]
  ) -> [UInt8] {
    var copy = bytes
    let places = bytes.indices.filter { bytes[$0...].starts(with: pattern) }
    let at = places[occurrence] + offset
    copy.replaceSubrange(at..<at + replacement.count, with: replacement)
    return copy
  }

  @Test func hostileArchivesAreErrors() throws {
    let good = NPZ(arrays: ["a", "b"].map { NamedArray($0, try! StoredArray(Tensor<Float>([1, 2]))) }).encoded
    #expect(try NPZ(good).arrays.count == 2)
    let local: [UInt8] = [0x50, 0x4b, 3, 4], central: [UInt8] = [0x50, 0x4b, 1, 2],
      end: [UInt8] = [0x50, 0x4b, 5, 6]
    func renamed(_ name: String) -> [UInt8] {
      let bytes = changed(good, Array("a.npy".utf8), offset: 0, to: Array(name.utf8))
      return changed(bytes, Array("a.npy".utf8), offset: 0, to: Array(name.utf8))
    }
    let cases: [(String, [UInt8])] = [
      ("nothing", []), ("no archive", [UInt8](repeating: 0, count: 100)), ("bytes behind", good + [0]),
      ("bytes in front", [0] + good), ("an npy file", NumpyFile.arrays[0].bytes),
      ("names differ", changed(good, local, offset: 30, to: [0x63])),
      ("a name twice", renamed("b.npy")), ("a path up", renamed("../ay")),
      ("an absolute path", renamed("/.npy")),
      ("a backslash", renamed("\\.npy")), ("a drive", renamed("c:npy")), ("a folder", renamed("a.np/")),
      ("a zero byte", renamed("\0.npy")), ("no array", renamed("a.txt")),
      ("damaged data", changed(good, Array("NUMPY".utf8), offset: 130, to: [9])),
      ("another checksum", changed(good, central, offset: 16, to: [1, 2, 3, 4])),
      ("a longer size", changed(changed(good, central, offset: 24, to: [255]), local, offset: 22, to: [255])),
      ("a huge size", changed(good, central, offset: 24, to: [254, 255, 255, 255])),
      ("saturated, no zip64", changed(good, central, offset: 24, to: [255, 255, 255, 255])),
      ("data outside", changed(good, central, offset: 20, to: [255, 255, 255, 127])),
      ("entries that overlap", changed(good, central, occurrence: 1, offset: 42, to: [0, 0, 0, 0])),
      ("an offset outside", changed(good, central, offset: 42, to: [255, 255, 0, 0])),
      ("encrypted", changed(changed(good, central, offset: 8, to: [1]), local, offset: 6, to: [1])),
      (
        "an unknown method", changed(changed(good, central, offset: 10, to: [12]), local, offset: 8, to: [12])
      ),
      ("fewer entries", changed(good, end, offset: 8, to: [1, 0, 1, 0])),
      ("more entries", changed(good, end, offset: 8, to: [3, 0, 3, 0])),
      ("two disks", changed(good, end, offset: 4, to: [1, 0])),
      ("a directory elsewhere", changed(good, end, offset: 16, to: [0, 0, 0, 0])),
      (
        "a descriptor that is not there",
        changed(changed(good, central, offset: 8, to: [8, 8]), local, offset: 6, to: [8, 8])
      ),
      ("a truncated comment", changed(good, end, offset: 20, to: [5, 0])),
    ]
    for (name, bytes) in cases {
      #expect(throws: FileError.self, "\(name)") { try NPZ(bytes) }
    }
    // A comment is allowed.
    #expect(try NPZ(changed(good, end, offset: 20, to: [2, 0]) + [65, 66]).arrays.count == 2)
  }

  @Test func damagedFilesAreErrorsAndNeverCrash() {
    var stream = RandomStream(key: RandomKey(seed: 21))
    let files = [
      example.encoded, example.encoded(zip64Above: 0), NumpyFile.stored, NumpyFile.streamed,
      NumpyFile.deflated,
    ]
    for good in files {
      var rejected = 0
      for _ in 0..<1000 {
        do { _ = try NPZ(mutated(good, &stream)) { _, size in [UInt8](repeating: 0, count: size) } } catch {
          #expect(error is FileError)
          rejected += 1
        }
      }
      #expect(rejected > 500)
      for length in 0..<good.count { #expect(throws: FileError.self) { try NPZ(Array(good.prefix(length))) } }
    }
  }
}
