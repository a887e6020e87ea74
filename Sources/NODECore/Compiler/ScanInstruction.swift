/// What the compiler has to know of a structured operation that loops over the rows of leading axes with a carry.
///
/// Operands [carry..., sequences [steps, row...]..., captures...], results [carry..., outputs [steps, row...]..., history
/// [steps, carry...]...]: the carries as each step found them, which are stored only where somebody reads them.
package protocol ScanLowerable: StructuredOperation {
  var scan: ScanInstruction { get }
}

package struct ScanInstruction: Sendable {
  /// Parameters carry..., one row of every sequence, captures...; outputs carry..., one row of every output.
  package var body: GraphBody
  package var carryCount: Int
  package var sequenceCount: Int
  package var steps: Int
  /// Rows are taken, and given, from the last to the first.
  package var isReversed: Bool

  package init(body: GraphBody, carryCount: Int, sequenceCount: Int, steps: Int, isReversed: Bool) {
    self.body = body
    self.carryCount = carryCount
    self.sequenceCount = sequenceCount
    self.steps = steps
    self.isReversed = isReversed
  }

  package var captureCount: Int { body.parameters.count - carryCount - sequenceCount }
  package var outputCount: Int { body.outputs.count - carryCount }
}
