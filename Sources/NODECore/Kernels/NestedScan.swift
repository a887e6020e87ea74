/// A loop with a carry inside of a program; see nk_scan.h for the order of the body's arguments.
package struct NestedScan: Sendable {
  package var body: ProgramDescription
  package var steps: Int
  package var isReversed: Bool
  package var first: [BufferID], sequences: [BufferID], captures: [BufferID]
  package var last: [BufferID], outputs: [BufferID]
  /// As many as the carry has tensors; nil where nobody reads it.
  package var history: [BufferID?]
  /// Bytes of one row.
  package var carryBytes: [Int], sequenceBytes: [Int], captureBytes: [Int], outputBytes: [Int]

  package init(
    body: ProgramDescription, steps: Int, isReversed: Bool, first: [BufferID], sequences: [BufferID],
    captures: [BufferID], last: [BufferID], outputs: [BufferID], history: [BufferID?], carryBytes: [Int],
    sequenceBytes: [Int], captureBytes: [Int], outputBytes: [Int]
  ) {
    self.body = body
    self.steps = steps
    self.isReversed = isReversed
    (self.first, self.sequences, self.captures) = (first, sequences, captures)
    (self.last, self.outputs, self.history) = (last, outputs, history)
    (self.carryBytes, self.sequenceBytes) = (carryBytes, sequenceBytes)
    (self.captureBytes, self.outputBytes) = (captureBytes, outputBytes)
  }

  /// Everything that it reads and writes.
  var uses: [BufferUse] {
    func list(
      _ name: String, _ buffers: [BufferID?], _ bytes: [Int], _ rows: Int, _ access: BufferUse.Access
    ) -> [BufferUse] {
      zip(buffers, bytes).compactMap { buffer, bytes in
        buffer.map {
          BufferUse(
            name: name, buffer: $0, access: access, bytes: bytes * rows, isPerLane: false, dtype: nil)
        }
      }
    }
    return list("carry", first, carryBytes, 1, .read)
      + list("sequence", sequences, sequenceBytes, steps, .read)
      + list("capture", captures, captureBytes, 1, .read) + list("last carry", last, carryBytes, 1, .write)
      + list("output", outputs, outputBytes, steps, .write)
      + list("history", history, carryBytes, steps, .write)
  }

  /// Extents of the body's arguments, in order.
  var argumentBytes: [Int] { carryBytes + sequenceBytes + captureBytes + carryBytes + outputBytes }
  var inputCount: Int { first.count + sequences.count + captures.count }
}

extension NestedScan {
  /// Throws where the body does not fit its operands and results.
  func validate(_ place: String) throws(InvalidProgram) {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(InvalidProgram) {
      if !condition { throw InvalidProgram("program: \(place): \(problem())") }
    }
    try require(
      steps >= 0 && last.count == first.count && history.count == first.count,
      "\(steps) steps with \(first.count) carries, \(last.count) last ones and \(history.count) histories")
    let expected = argumentBytes.map { ProgramDescription.Argument(bytes: $0) }
    try require(
      body.arguments == expected,
      "its body takes \(body.arguments.map(\.bytes)) bytes, expected \(expected.map(\.bytes))")
    try require(
      body.setupRegions == 0 && !body.regions.contains { $0.isSolverBody }, "its body is a solver's program")
    do { try body.validate(inputs: inputCount) } catch {
      throw InvalidProgram("program: \(place): body: \(error.description)")
    }
  }
}
