// The gradient of a weight that is used twice is a sum of two products over rows: one kernel, and one sum over lanes.
//
// After the lane proof, not before it: one of the two may be a sum over lanes and the other follow from such a sum, and
// together they would be neither.

extension IR {
  /// Whether it is one product over rows, which can be a term of a sum of them.
  private func isOuter(_ number: Int) -> Bool {
    instructions[number].opcode == .matmulOuter && instructions[number].operands.count == 2
  }

  private func canSum(_ first: Int, _ second: Int) -> Bool {
    let (a, b) = (instructions[first], instructions[second])
    return self[a.operands[0]].shape == self[b.operands[0]].shape
      && self[a.results[0]].type == self[b.results[0]].type
  }

  private mutating func makeSum(_ number: Int, of first: Int, and second: Int) {
    let terms = instructions[first].operands + instructions[second].operands
    replace(number, .matmulOuter, terms, name: "matmul add matmul")
  }

  /// Makes sums of pairs of the additions in `order` whose terms nobody else reads, where `isPair` lets them be one.
  /// - Returns: the instructions that became sums, with a term of each.
  mutating func sumOuterProducts(
    _ order: [Int], outputs: [ValueID], isPair: (_ first: Int, _ second: Int) -> Bool
  ) -> [(number: Int, term: Int)] {
    var readers: [ValueID: Int]?
    var sums: [(number: Int, term: Int)] = []
    for number in order {
      guard case .elementwise(.add) = instructions[number].opcode else { continue }
      let terms = instructions[number].operands.compactMap { operand -> Int? in
        guard case .result(let producer, 0) = self[operand].definition, isOuter(producer) else { return nil }
        return producer
      }
      guard terms.count == 2, canSum(terms[0], terms[1]), isPair(terms[0], terms[1]) else { continue }
      let counts = readers ?? readerCounts(order, outputs)
      readers = counts
      guard terms.allSatisfy({ counts[instructions[$0].results[0]] == 1 }) else { continue }
      makeSum(number, of: terms[0], and: terms[1])
      sums.append((number, terms[0]))
    }
    return sums
  }

  /// The same for products that add themselves to accumulators, `sums` by offset: two of one accumulator become one.
  mutating func sumOuterProducts(
    _ sums: [ValueID: Int], isPair: (_ first: Int, _ second: Int) -> Bool
  ) -> [ValueID: Int] {
    var left = sums, open: [Int: Int] = [:]
    for (value, offset) in sums.sorted(by: { $0.key < $1.key }) {
      guard let number = producer(value), isOuter(number), instructions[number].results[0] == value else {
        continue
      }
      guard let first = open[offset], canSum(first, number), isPair(first, number) else {
        open[offset] = number
        continue
      }
      makeSum(number, of: first, and: number)
      left[instructions[first].results[0]] = nil
      open[offset] = nil
    }
    return left
  }

  /// How often each value's storage is read by these instructions, and as an output.
  func readerCounts(_ order: [Int], _ outputs: [ValueID]) -> [ValueID: Int] {
    var count: [ValueID: Int] = [:]
    for number in order {
      for operand in instructions[number].operands {
        if let view = view(operand) { count[view.base, default: 0] += 1 }
      }
    }
    for id in outputs { if let view = view(id) { count[view.base, default: 0] += 1 } }
    return count
  }
}
