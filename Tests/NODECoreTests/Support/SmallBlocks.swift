import NODECore
import Testing

/// Blocks of a few lanes even in small problems, so that there are several, and remainders.
struct SmallBlocks: TestTrait, SuiteTrait, TestScoping {
  var isRecursive: Bool { true }

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    try await BlockSize.minimumBytes.withValue(0) { try await function() }
  }
}

extension Trait where Self == SmallBlocks {
  static var smallBlocks: Self { Self() }
}
