import Foundation
import Testing

@testable import NODECore

@Suite struct SafetensorsTests {
  private func example() -> Safetensors {
    func array(_ dtype: DType, _ shape: Shape, _ bytes: [UInt8]) -> StoredArray {
      StoredArray(dtype: dtype, shape: shape, bytes: bytes)
    }
    return Safetensors(
      arrays: [
        NamedArray("b.weight", array(.float32, [2, 3], (0..<24).map { UInt8($0) })),
        NamedArray("a", array(.float64, [], [1, 2, 3, 4, 5, 6, 7, 8])),
        NamedArray("z empty", array(.float32, [0, 4], [])), NamedArray("empty", array(.int32, [0], [])),
        NamedArray("c \"\\\n\u{1}ü😀", array(.int32, [2], [9, 9, 9, 9, 8, 8, 8, 8])),
      ], metadata: ["step": "17", "architecture": "An \"MLP\"\t"])
  }

  @Test func readsWhatItWrites() throws {
    let file = example()
    let read = try Safetensors(file.encoded)
    #expect(read == file)
    #expect(read["a"]?.bytes == [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(file.encoded.count % 8 == 0 && file.encoded[8] == 0x7b)
    #expect(try Safetensors(Safetensors(arrays: []).encoded) == Safetensors(arrays: []))
  }

  @Test func tensorsThereAndBackBitForBit() throws {
    let floats: [Float] = [0, -0.0, .nan, .infinity, .leastNonzeroMagnitude, Float(bitPattern: 0xffa1_2345)]
    let labels = Tensor<Int32>([.min, 7, .max])
    let file = Safetensors(arrays: [
      try NamedArray("x", Tensor<Float>(floats, shape: [2, 3])), try NamedArray("labels", labels),
      try NamedArray("y", Tensor<Double>(.pi)),
    ])
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try file.write(to: path)
    let read = try Safetensors(contentsOf: path)
    let x = try read.tensor("x", of: Float.self)
    #expect(x.shape == [2, 3] && x.scalars.map(\.bitPattern) == floats.map(\.bitPattern))
    #expect(try read.tensor("labels").scalars == labels.scalars)
    #expect(try read.tensor("y", of: Double.self).scalar == .pi)
    let error = #expect(throws: FileError.self) { try Safetensors(contentsOf: path + ".not") }
    #expect(error?.reason == .inaccessible && error?.path == path + ".not")
  }

  /// The bytes of a file written by hand from the specification.
  @Test func readsTheSpecifiedLayout() throws {
    let json = #"{"__metadata__":{"k":"v"},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
    let file = [UInt8(json.utf8.count)] + [0, 0, 0, 0, 0, 0, 0] + Array(json.utf8) + [0, 0, 128, 63]
    let read = try Safetensors(file)
    #expect(read.metadata == ["k": "v"])
    #expect(
      read.arrays == [NamedArray("x", StoredArray(dtype: .float32, shape: [1], bytes: [0, 0, 128, 63]))])
  }

  /// Every element type of the format but the two of 8 bits.
  @Test func widensElements() throws {
    func read(_ type: String, _ bytes: [UInt8]) throws -> [Double] {
      let count = bytes.count / ElementType.allCases.first { $0.safetensorsName == type }!.byteCount
      let json = #"{"x":{"shape":[\#(count)],"data_offsets":[0,\#(bytes.count)],"dtype":"\#(type)"}}  "#
      return try #require(Safetensors(file(json, 0) + bytes)["x"]).doubles
    }
    // torch.tensor([1.5, -2**-24, 65504, -inf], dtype=torch.float16).view(torch.uint8).tolist()
    #expect(
      try read("F16", [0, 62, 1, 128, 255, 123, 0, 252]) == [1.5, -0x1p-24, 65504, -Double.infinity])
    // torch.tensor([1.5, -3.3895313892515355e+38], dtype=torch.bfloat16).view(torch.uint8).tolist()
    #expect(try read("BF16", [192, 63, 127, 255]) == [1.5, -3.3895313892515355e+38])
    #expect(try read("BOOL", [0, 1]) == [0, 1])
    #expect(try read("I8", [128, 127]) == [-128, 127])
    #expect(try read("U8", [255]) == [255])
    #expect(try read("I16", [0, 128]) == [-32768])
    #expect(try read("U16", [255, 255]) == [65535])
    #expect(try read("U32", [255, 255, 255, 127]) == [2147483647])
    #expect(try read("I64", [UInt8](repeating: 255, count: 8)) == [-1])
    #expect(try read("U64", [7, 0, 0, 0, 0, 0, 0, 0]) == [7])
    #expect(try read("F16", [1, 124])[0].isNaN)
    for (type, bytes) in [("U32", [255, 255, 255, 255]), ("U64", [0, 0, 0, 0, 1, 0, 0, 0]), ("BOOL", [2])]
      as [(String, [UInt8])]
    {
      #expect(throws: FileError.self) { try read(type, bytes) }
    }
  }

  private func file(_ json: String, _ data: Int) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: json.utf8.count >> (8 * $0)) } + Array(json.utf8)
      + [UInt8](repeating: 0, count: data)
  }

  @Test func hostileHeadersAreErrors() {
    func entry(_ dtype: String, _ shape: String, _ offsets: String) -> String {
      #"{"x":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}}"#
    }
    let cases = [
      file(entry("F32", "[1]", "[0,8]"), 8), file(entry("F32", "[1]", "[4,8]"), 8),
      file(entry("F32", "[1]", "[0,4]"), 8),
      file(entry("F32", "[1]", "[0,4]"), 3), file(entry("F32", "[-1]", "[0,4]"), 4),
      file(entry("F8_E4M3", "[4]", "[0,4]"), 4), file(" " + entry("F32", "[1]", "[0,4]"), 4),
      file(entry("F32", "[1]", "[0,4]") + "\n", 4), file(entry("F32", "[1]", "[0,4]") + "{}", 4),
      file(entry("F32", "[1.0]", "[0,4]"), 4), file(entry("F32", "[01]", "[0,4]"), 4),
      file(entry("F32", "[1,]", "[0,4]"), 4), file(entry("F\\q32", "[1]", "[0,4]"), 4),
      file(
        #"{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#,
        0),
      file(#"{"x":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#, 0),
      file(#"{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"more":"1"}}"#, 0),
      file(#"{"x":{"dtype":"F32","shape":[0]}}"#, 0), file(#"{"__metadata__":{"k":1}}"#, 0),
      file(#"{"__metadata__":{"k":"1","k":"2"}}"#, 0), file(#"{"__metadata__":{},"__metadata__":{}}"#, 0),
      file(#"{"__metadata__":null}"#, 0),
      file(#"{"\ud800":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#, 0),
      file(
        #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
        6),
      file(
        #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}}"#,
        9),
      [6, 0, 0, 0, 0, 0, 0, 0] + Array("{\"".utf8) + [0xff, 0x22, 0x3a, 0x7d],
      file(entry("F32", "[4611686018427387904,4]", "[0,4]"), 4), file(entry("F32", "[1e99]", "[0,4]"), 4),
      file(entry("F32", "[0,4611686018427387904,4]", "[0,0]"), 0),
      file(entry("F32", "[1]", "[-4,0]"), 4), file(entry("F32", "[1]", "[4]"), 4),
      file(entry("F32", "[1]", "null"), 4),
      file(entry("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4), file("[]", 0), file("{", 0), file("", 0),
      file(String(repeating: "[", count: 100_000), 0), [UInt8](repeating: 255, count: 64), [1, 2, 3],
      file(#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775807,4]}}"#, 4),
    ]
    for bytes in cases { #expect(throws: FileError.self) { try Safetensors(bytes) } }
    #expect {
      try Safetensors(file(entry("F32", "[1]", "[0,8]"), 8))
    } throws: {
      "\($0)"
        == "safetensors: tensor x: expected 4 bytes for the shape [1] from 0 on, of 8, found bytes 0..<8"
    }
  }

  @Test func damagedFilesAreErrorsAndNeverCrash() {
    let good = example().encoded
    var stream = RandomStream(key: RandomKey(seed: 8))
    var rejected = 0
    for _ in 0..<4000 {
      do { _ = try Safetensors(mutated(good, &stream)) } catch {
        #expect(error is FileError)
        rejected += 1
      }
    }
    for length in 0..<good.count {
      #expect(throws: FileError.self) { try Safetensors(Array(good.prefix(length))) }
    }
    #expect(rejected > 1000)
  }
}
