import Testing

@testable import NODECore

@Suite struct IDXTests {
  private let file = IDXArray(dimensions: [3, 4, 5], elements: (0..<60).map { UInt8($0 * 4) })

  @Test func readsWhatItWrites() throws {
    #expect(try IDXArray(file.encoded) == file)
    #expect(Array(file.encoded.prefix(8)) == [0, 0, 8, 3, 0, 0, 0, 3])
  }

  @Test func compressedFilesNeedADecompressor() throws {
    #expect(
      message([0x1f, 0x8b, 8, 0]) == "idx: content: expected plain bytes, or a decompressor, found gzip")
    let bytes = file.encoded
    #expect(try IDXArray([0x1f, 0x8b, 8, 0], decompressor: { _ in bytes }) == file)
    struct Broken: Error {}
    #expect(throws: FileError.self) {
      try IDXArray([0x1f, 0x8b, 8, 0], decompressor: { _ in throw Broken() })
    }
  }

  /// What reading these bytes says.
  private func message(_ bytes: [UInt8]) -> String {
    do { return "\(try IDXArray(bytes).dimensions)" } catch {
      return error is FileError ? "\(error)" : "\(type(of: error))"
    }
  }

  @Test func namesWhatIsWrong() {
    let good = file.encoded
    func changed(_ at: Int, _ byte: UInt8) -> [UInt8] {
      var bytes = good
      bytes[at] = byte
      return bytes
    }
    #expect(message([]) == "idx: magic: expected two zero bytes, a type and a rank, found []")
    #expect(message(Array(good.prefix(7))) == "idx: header: expected 16 bytes, found 7")
    #expect(
      message(changed(0, 1)) == "idx: magic: expected two zero bytes, a type and a rank, found [1, 0, 8, 3]")
    #expect(message(changed(2, 13)) == "idx: type: expected unsigned bytes (8), found 13")
    #expect(message(changed(3, 0)) == "idx: rank: expected 1 to 8, found 0")
    #expect(
      message(good.dropLast()) == "idx: data: expected 60 bytes for the extents [3, 4, 5], found 59")
    #expect(
      message([0, 0, 8, 3] + [UInt8](repeating: 255, count: 12) + [1, 2, 3])
        == "idx: extents: expected a countable product, found [4294967295, 4294967295, 4294967295]")
  }

  @Test func damagedFilesAreErrorsAndNeverCrash() {
    let good = file.encoded
    var stream = RandomStream(key: RandomKey(seed: 3))
    var rejected = 0
    for _ in 0..<5000 {
      let bytes = mutated(good, &stream)
      do {
        let array = try IDXArray(bytes)
        #expect(array.dimensions.reduce(1, *) == array.elements.count)
      } catch {
        #expect(error is FileError)
        rejected += 1
      }
    }
    #expect(rejected > 1000)
  }

  @Test func mnistReportsWhichFileIsWrong() {
    let images = IDXArray(dimensions: [2, 28, 28], elements: [UInt8](repeating: 7, count: 2 * 784)).encoded
    let labels = IDXArray(dimensions: [2], elements: [3, 9]).encoded
    #expect {
      try MNIST(files: [images, labels, images, labels])
    } throws: { error in
      "\(error)".hasPrefix("train-images-idx3-ubyte: its content is damaged or not MNIST")
    }
    #expect(throws: Never.self) {
      let set = try MNIST(files: [images, labels, images, labels], verifiesChecksums: false)
      #expect(set.train.count == 2 && set.test.labels == [3, 9])
    }
    let badLabels = IDXArray(dimensions: [2], elements: [3, 10]).encoded
    #expect {
      try MNIST(files: [images, labels, images, badLabels], verifiesChecksums: false)
    } throws: { error in
      "\(error)" == "t10k-labels-idx1-ubyte: the label 10 is not a digit"
    }
  }
}

/// A copy with a few bytes changed, removed or repeated.
func mutated(_ bytes: [UInt8], _ stream: inout RandomStream) -> [UInt8] {
  var copy = bytes
  for _ in 0...stream.nextInteger(below: 3) where !copy.isEmpty {
    // Half of the changes hit the front, where the structure is.
    let range = stream.nextInteger(below: 2) == 0 ? min(copy.count, 16) : copy.count
    let at = stream.nextInteger(below: range)
    switch stream.nextInteger(below: 4) {
    case 0: copy[at] = UInt8(stream.nextInteger(below: 256))
    case 1: copy[at] ^= 1 << UInt8(stream.nextInteger(below: 8))
    case 2: copy.removeSubrange(at..<min(copy.count, at + 1 + stream.nextInteger(below: 8)))
    default: copy.insert(UInt8(stream.nextInteger(below: 256)), at: at)
    }
  }
  return copy
}
