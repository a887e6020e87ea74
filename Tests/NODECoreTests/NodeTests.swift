import Testing

@testable import NODECore

@Test func longChainsAreFreedWithoutRecursion() {
  let scalar = TensorType(.float32, [])
  var value = Value(Node(.splat(1), [], types: [scalar]))
  for _ in 0..<1_000_000 { value = Value(Node(.identity(nil), [value], types: [scalar])) }
  #expect(value.shape == [])
}
