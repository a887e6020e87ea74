/// The graph's node for a loop with a carry. Its derivative rules are in Sensitivity/.
struct ScanOperation: ScanLowerable {
  let scan: ScanInstruction

  var name: String { "scan" }

  /// Two loops are the same computation if their bodies have the same structure.
  var identity: AnyHashable? { AnyHashable(Key(scan)) }

  private struct Key: Hashable {
    let body: BodyKey
    let counts: [Int]
    let isReversed: Bool

    init(_ scan: ScanInstruction) {
      body = BodyKey(scan.body)
      counts = [scan.carryCount, scan.sequenceCount, scan.steps]
      isReversed = scan.isReversed
    }
  }

  func resultTypes(_ operands: [TensorType]) -> [TensorType] {
    let parameters = scan.body.parameters, carries = scan.carryCount, sequences = scan.sequenceCount
    require(
      operands.count == parameters.count, "scan: \(operands.count) operands, expected \(parameters.count)")
    func stacked(_ type: TensorType) -> TensorType {
      TensorType(type.dtype, Shape([scan.steps] + type.shape.dimensions))
    }
    for (index, operand) in operands.enumerated() {
      let isSequence = index >= carries && index < carries + sequences
      let expected = isSequence ? stacked(parameters[index].type) : parameters[index].type
      require(operand == expected, "scan: operand \(index) is \(operand), expected \(expected)")
    }
    let carried = Array(operands[..<carries])
    for (index, type) in carried.enumerated() {
      let next = scan.body.outputs[index].type
      require(next == type, "scan: the carry is \(type), but the body returns \(next) for it")
    }
    return carried + scan.body.outputs[carries...].map { stacked($0.type) } + carried.map(stacked)
  }
}
