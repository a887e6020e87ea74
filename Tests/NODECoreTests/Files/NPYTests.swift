import Foundation
import Testing

@testable import NODECore

extension StoredArray {
  /// Row-major, in Double.
  var doubles: [Double] {
    bytes.withUnsafeBytes { raw in
      (0..<shape.count).map {
        switch dtype {
        case .float32: Double(raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self))
        case .float64: raw.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self)
        case .int32: Double(raw.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self))
        }
      }
    }
  }
}

@Suite struct NPYTests {
  @Test(arguments: NumpyFile.arrays) func readsWhatNumpyWrites(_ file: NumpyFile) throws {
    let array = try NPY(file.bytes).array
    #expect(array.dtype == file.dtype && array.shape == file.shape)
    // Bits: -0.0 is not 0.0.
    #expect(array.doubles.map(\.bitPattern) == file.elements.map(\.bitPattern))
  }

  /// numpy's own bytes for what it writes in version 1.0, little-endian, row-major.
  @Test(arguments: [0, 5]) func writesWhatNumpyWrites(_ index: Int) throws {
    let file = NumpyFile.arrays[index]
    #expect(try NPY(file.bytes).encoded == file.bytes)
  }

  @Test func tensorsThereAndBackBitForBit() throws {
    let floats: [Float] = [0, -0.0, .nan, -.infinity, .leastNonzeroMagnitude, Float(bitPattern: 0x7fa1_2345)]
    for shape: Shape in [[6], [2, 3], [1, 6, 1], [3, 1, 1, 1, 1, 1, 1, 2]] {
      let tensor = Tensor<Float>(floats, shape: shape)
      let read = try NPY(NPY(tensor).encoded).tensor(of: Float.self)
      #expect(read.shape == shape && read.scalars.map(\.bitPattern) == floats.map(\.bitPattern))
    }
    let doubles = Tensor<Double>([.pi, -.nan], shape: [2]) * 1.0
    #expect(try NPY(NPY(doubles).encoded).tensor(of: Double.self).scalars[0] == .pi)
    let labels = Tensor<Int32>([.min, 0, .max])
    #expect(try NPY(NPY(labels).encoded).tensor().scalars == labels.scalars)
    for shape: Shape in [[], [0], [2, 0, 3]] {
      let array = try StoredArray(Tensor<Double>.ones(shape))
      #expect(try NPY(NPY(array).encoded).array == array)
    }
    #expect(throws: FileError.self) { try NPY(doubles).tensor(of: Float.self) }
  }

  @Test func filesThereAndBack() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/npy-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/a.npy"
    let tensor = Tensor<Float>([1, 2, 3])
    try NPY(tensor).write(to: path)
    try NPY(tensor * 2).write(to: path)
    #expect(try NPY(contentsOf: path).tensor(of: Float.self).scalars == [2, 4, 6])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a.npy"])
    for bad in [folder, folder + "/missing.npy", path + "/inside", path + "\0", "/dev/zero"] {
      let error = #expect(throws: FileError.self) { try NPY(contentsOf: bad) }
      #expect(error?.reason == .inaccessible && error?.path == bad)
    }
    for bad in [folder, folder + "/missing/a.npy", path + "/inside", path + "\0"] {
      let error = #expect(throws: FileError.self) { try NPY(tensor).write(to: bad) }
      #expect(error?.reason == .inaccessible && error?.path == bad)
    }
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: FileError.self) { try NPY(contentsOf: path) }
    #expect(
      error?.description
        == "\(path): npy: expected the bytes \\x93NUMPY and a version, found the bytes [1, 2, 3]")
  }

  /// A file with a hole takes no place on the disk, but no memory could hold it.
  @Test func filesBeyondTheMemoryAreErrors() throws {
    let path = FileManager.default.temporaryDirectory.path + "/hole-\(UUID().uuidString).npy"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try NPY(Tensor<Float>([1])).write(to: path)
    let size = Int(ProcessInfo.processInfo.physicalMemory) * 4
    // Not every file system has files of this size.
    guard truncate(path, size) == 0 else { return }
    let error = #expect(throws: FileError.self) { try NPY(contentsOf: path) }
    #expect(error?.reason == .inaccessible && error?.path == path)
    #expect(error?.description.contains("\(size) bytes") == true)
  }

  private func file(_ header: String, data: Int, version: UInt8 = 1) -> [UInt8] {
    let text = Array(header.utf8)
    let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + text + [UInt8](repeating: 0, count: data)
  }

  private func header(_ descr: String = "'<f4'", _ order: String = "False", _ shape: String = "(2,)")
    -> String
  {
    "{'descr': \(descr), 'fortran_order': \(order), 'shape': \(shape), }\n"
  }

  @Test func otherSpellingsOfTheHeader() throws {
    let spellings = [
      "{\"shape\":(2,),\"descr\":'<f4','fortran_order':True}", header("'<f4'", "False", "(2L,)"),
      header("'<f4'", "False", "( 2 , )") + "   \n", "  {'descr':'<f4','fortran_order':False,'shape':(2,)}",
    ]
    for text in spellings {
      #expect(try NPY(file(text, data: 8)).array.shape == [2], "\(text)")
    }
    #expect(try NPY(file(header("'|f4'".replacing("|f4", with: "|u1")), data: 2)).array.dtype == .int32)
    #expect(try NPY(file(header("'<f4'", "False", "(1, 2)"), data: 8, version: 3)).array.shape == [1, 2])
  }

  @Test func hostileHeadersAreErrors() {
    let malformed = [
      file(header(), data: 7), file(header(), data: 9), file(header("'<f4'", "false"), data: 8),
      file(header("'<f4'", "False", "(2)"), data: 8), file(header("'<f4'", "False", "(-2,)"), data: 8),
      file(header("'<f4'", "False", "(02,)"), data: 8), file(header("'<f4'", "False", "(2,,)"), data: 8),
      file(header("'<f4'", "False", "(2.0,)"), data: 8), file(header("'<f4'", "False", "2,"), data: 8),
      file(header("'<f4'", "False", "(99999999999999999999,)"), data: 8),
      file(header("'<f4'", "False", "(1000000000,)"), data: 8),
      file(header("'<f4'", "False", "(2L,)"), data: 8, version: 3),
      file("{'descr': '<f4', 'shape': (2,)}", data: 8), file("{}", data: 0), file("", data: 0),
      file(header() + "x", data: 8), file(header().replacing("}", with: ""), data: 8),
      file("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", data: 8),
      file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", data: 8),
      file("{'descr': '<f4', 'fortran_order': __import__('os'), 'shape': (2,)}", data: 8),
      file(header("'<\\x664'"), data: 8), file(header("'<f4\n"), data: 8), file("\u{1}", data: 8),
      file(String(repeating: "(", count: 60000), data: 0), [], [0x93],
      Array(file(header(), data: 8).prefix(9)),
      [UInt8](repeating: 0x93, count: 64), file(header("'|b1'"), data: 1) + [2],
    ]
    for bytes in malformed {
      let error = #expect(throws: FileError.self) { try NPY(bytes) }
      #expect(error?.reason == .malformed, "\(String(decoding: bytes.prefix(90), as: UTF8.self))")
    }
    let unsupported = [
      file(header("'|O'"), data: 8), file(header("'<c8'"), data: 16), file(header("'<U3'"), data: 24),
      file(header("[('x', '<f4')]"), data: 8), file(header("'f4'"), data: 8), file(header("'=f4'"), data: 8),
      file(header("'|f4'"), data: 8), file(header("'<f16'"), data: 32), file(header("''"), data: 0),
      file(header("'<M8[s]'"), data: 16), file(header(), data: 8, version: 4),
      file(header("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), data: 4),
      file(header("'<f4'", "False", "(4611686018427387904,4)"), data: 8),
      file(header("'<f4'", "False", "(0,4611686018427387904,4)"), data: 0),
      file(header("'<u4'"), data: 4) + [0, 0, 0, 128], file(header("'>i8'"), data: 12) + [128, 0, 0, 0],
    ]
    for bytes in unsupported {
      let error = #expect(throws: FileError.self) { try NPY(bytes) }
      #expect(error?.reason == .unsupported, "\(String(decoding: bytes.prefix(90), as: UTF8.self))")
    }
  }

  @Test func theErrorSaysWhatWasExpectedAndFound() {
    func message(_ bytes: [UInt8]) -> String? {
      #expect(throws: FileError.self) { try NPY(bytes) }?.description
    }
    #expect(
      message(file(header(), data: 7))
        == "npy: data: expected 8 bytes for the shape [2] of elements of 4, found 7")
    #expect(
      message(file(header("'|O'"), data: 8))?.hasSuffix(
        "found |O: Python objects, which are pickles and never read") == true)
    #expect(
      message(file(header("'<u4'"), data: 4) + [0, 0, 0, 128])
        == "npy: data: element 1: expected an integer of 32 bits, found 2147483648")
  }
}
