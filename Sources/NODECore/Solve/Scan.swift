/// A loop over the rows of leading axes with a carry: (carry, outputs[i]) = body(carry, rows[i]) for i = 0, 1, ..., n - 1, or
/// from the last to the first when `reversed`. One instruction of the program whatever n is.
///
/// ```swift
/// let (h, states) = scan(from: h0, over: inputs) { h, x in   // inputs [steps, batch, features]
///   let next = cell(x, h)
///   return (next, next)
/// }
/// ```
/// The body is traced once; whatever it captures is computed once and receives gradients. Carries, rows and outputs are
/// tensors or groups of them; a carry keeps its types from step to step. The gradient keeps the carries (n times their
/// bytes) and runs the steps again, backward; derivatives of any order are loops too. The body may contain solves.
///
/// - Parameter rows: tensors [n, row...], all with the same n.
/// - Returns: the last carry, and the outputs stacked along a new leading axis: [n, output...].
public func scan<Carry: TensorGroup, Rows: TensorGroup, Output: TensorGroup>(
  from carry: Carry, over rows: Rows, reversed: Bool = false,
  _ body: (_ carry: Carry, _ row: Rows) throws -> (Carry, Output)
) rethrows -> (carry: Carry, outputs: Output) {
  let first = TensorVisitor.values(of: carry).values, sequences = TensorVisitor.values(of: rows).values
  require(!sequences.isEmpty, "scan: there are no rows to loop over")
  require(
    sequences.allSatisfy { $0.shape.rank > 0 && $0.shape[0] == sequences[0].shape.dimensions.first },
    "scan: rows need one leading extent, got shapes \(sequences.map(\.shape))")
  let inCarry = first.enumerated().map { Graph.input("carry\($0)", $1.type) }
  let inRow = sequences.enumerated().map { index, value in
    Graph.input("row\(index)", TensorType(value.dtype, Shape(Array(value.shape.dimensions.dropFirst()))))
  }
  var carrySymbols = inCarry[...], rowSymbols = inRow[...]
  let (next, output) = try body(
    TensorVisitor.replace(carry, from: &carrySymbols), TensorVisitor.replace(rows, from: &rowSymbols))
  let outCarry = TensorVisitor.values(of: next).values, outputs = TensorVisitor.values(of: output).values
  require(
    outCarry.map(\.type) == first.map(\.type),
    "scan: the carry is \(first.map(\.type)), but the body returns \(outCarry.map(\.type)); they must be equal"
  )
  let (graph, captures) = hoist(outputs: outCarry + outputs, parameters: inCarry + inRow)
  let operation = ScanOperation(
    scan: ScanInstruction(
      body: graph, carryCount: first.count, sequenceCount: sequences.count, steps: sequences[0].shape[0],
      isReversed: reversed))
  let results = Graph.node(.structured(operation), first + sequences + captures)
  var last = results[..<first.count], made = results[first.count..<first.count + outputs.count]
  return (TensorVisitor.replace(next, from: &last), TensorVisitor.replace(output, from: &made))
}
