import Testing

@testable import NODECore

@Suite struct SafetensorsTests {
  private func example() -> Safetensors {
    Safetensors(
      items: [
        .init(name: "b.weight", dtype: .float32, shape: [2, 3], bytes: (0..<24).map { UInt8($0) }),
        .init(name: "a", dtype: .float64, shape: [], bytes: [1, 2, 3, 4, 5, 6, 7, 8]),
        .init(name: "empty", dtype: .float32, shape: [0, 4], bytes: []),
        .init(name: "c \"\\ü", dtype: .int32, shape: [2], bytes: [9, 9, 9, 9, 8, 8, 8, 8]),
      ], metadata: ["step": "17", "architecture": "An MLP"])
  }

  @Test func readsWhatItWrites() throws {
    let file = example()
    let read = try Safetensors(file.encoded)
    #expect(read == file)
    #expect(read["a"]?.bytes == [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(file.encoded.count % 4 == 0)
  }

  /// The bytes of a file written by hand from the specification.
  @Test func readsTheSpecifiedLayout() throws {
    let json = #"{"__metadata__":{"k":"v"},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
    let file = [UInt8(json.utf8.count)] + [0, 0, 0, 0, 0, 0, 0] + Array(json.utf8) + [0, 0, 128, 63]
    let read = try Safetensors(file)
    #expect(read.metadata == ["k": "v"])
    #expect(read.items == [.init(name: "x", dtype: .float32, shape: [1], bytes: [0, 0, 128, 63])])
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
      file(entry("BF16", "[2]", "[0,4]"), 4),
      file(entry("F32", "[4611686018427387904,4]", "[0,4]"), 4), file(entry("F32", "[1e99]", "[0,4]"), 4),
      file(entry("F32", "[0,4611686018427387904,4]", "[0,0]"), 0),
      file(entry("F32", "[1]", "[-4,0]"), 4), file(entry("F32", "[1]", "[4]"), 4),
      file(entry("F32", "[1]", "null"), 4),
      file(entry("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4), file("[]", 0), file("{", 0), file("", 0),
      file(String(repeating: "[", count: 100_000), 0), [UInt8](repeating: 255, count: 64), [1, 2, 3],
      file(#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775807,4]}}"#, 4),
    ]
    for bytes in cases { #expect(throws: SafetensorsError.self) { try Safetensors(bytes) } }
    #expect {
      try Safetensors(file(entry("F32", "[1]", "[0,8]"), 8))
    } throws: {
      "\($0)" == "tensor x claims bytes 0..<8 where its shape [1] needs 4"
    }
  }

  @Test func damagedFilesAreErrorsAndNeverCrash() {
    let good = example().encoded
    var stream = RandomStream(key: RandomKey(seed: 8))
    var rejected = 0
    for _ in 0..<4000 {
      do { _ = try Safetensors(mutated(good, &stream)) } catch {
        #expect(error is SafetensorsError)
        rejected += 1
      }
    }
    for length in 0..<good.count {
      #expect(throws: SafetensorsError.self) { try Safetensors(Array(good.prefix(length))) }
    }
    #expect(rejected > 1000)
  }
}
