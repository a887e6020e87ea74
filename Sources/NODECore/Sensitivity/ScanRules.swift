// Derivatives of a loop are loops.
//
//     (c[i+1], y[i]) = f(c[i], x[i], w),   i = 0, ..., n - 1
//
// The tangent is the loop whose body is f with its tangent. The cotangents come from the loop over the same steps in the
// other order, with the carry (l, g): l the cotangent of c, g that of w so far. Its body is the pullback of f at the c[i] that
// the forward loop kept (its history), so f is computed again there.

extension ScanOperation {
  private var carries: Range<Int> { 0..<scan.carryCount }
  private var sequences: Range<Int> { scan.carryCount..<scan.carryCount + scan.sequenceCount }
  private var captures: Range<Int> { sequences.upperBound..<scan.body.parameters.count }
  private var outputs: Range<Int> { scan.carryCount..<scan.body.outputs.count }

  private func make(_ body: GraphBody, carries: Int, sequences: Int, isReversed: Bool, _ operands: [Value])
    -> [Value]
  {
    let instruction = ScanInstruction(
      body: body, carryCount: carries, sequenceCount: sequences, steps: scan.steps, isReversed: isReversed)
    return Graph.node(.structured(ScanOperation(scan: instruction)), operands)
  }

  func jvp(operands: [Value], results: [Value], tangents: [Value?]) -> [Value?] {
    guard tangents.contains(where: { $0 != nil }) else { return results.map { _ in nil } }
    let parameters = scan.body.parameters
    // Every floating carry may move after a step; of the rest, what has a tangent.
    let moving = carries.filter { parameters[$0].dtype.isFloating }
    let others = (sequences.lowerBound..<parameters.count).filter { tangents[$0] != nil }
    var directions = [Value?](repeating: nil, count: parameters.count)
    for index in moving + others {
      directions[index] = Graph.input("tangent\(index)", parameters[index].type)
    }
    let moved = pushforward(of: scan.body.outputs, inputs: parameters, tangents: directions)
    let floating = outputs.filter { scan.body.outputs[$0].dtype.isFloating }
    func tangent(_ index: Int) -> Value { moved[index] ?? scan.body.outputs[index].splat(0) }

    func joined(_ range: Range<Int>, _ plain: [Value], _ tangents: [Value?]) -> [Value] {
      range.map { plain[$0] }
        + range.compactMap { moving.contains($0) || others.contains($0) ? tangents[$0] : nil }
    }
    let start = tangents.indices.map { index in
      tangents[index] ?? (moving.contains(index) ? operands[index].splat(0) : nil)
    }
    let body = GraphBody(
      parameters: joined(carries, parameters, directions) + joined(sequences, parameters, directions)
        + joined(captures, parameters, directions),
      outputs: carries.map { scan.body.outputs[$0] } + moving.map(tangent)
        + outputs.map { scan.body.outputs[$0] } + floating.map(tangent))
    let count = carries.count + moving.count
    let all = make(
      body, carries: count, sequences: sequences.count + others.count { sequences.contains($0) },
      isReversed: scan.isReversed,
      joined(carries, operands, start) + joined(sequences, operands, start)
        + joined(captures, operands, start))

    var found = [Value?](repeating: nil, count: results.count)
    let history = outputs.upperBound, allHistory = count + outputs.count + floating.count
    for (place, index) in moving.enumerated() {
      found[index] = all[carries.count + place]
      found[history + index] = all[allHistory + carries.count + place]
    }
    for (place, index) in floating.enumerated() { found[index] = all[count + outputs.count + place] }
    return found
  }

  func vjp(operands: [Value], results: [Value], cotangents: [Value?], wanted: [Bool]) -> [Value?] {
    let none = [Value?](repeating: nil, count: operands.count)
    guard cotangents.contains(where: { $0 != nil }) else { return none }
    let parameters = scan.body.parameters, history = outputs.upperBound
    let moving = carries.filter { parameters[$0].dtype.isFloating }
    let given = outputs.filter { cotangents[$0] != nil }
    let kept = moving.filter { cotangents[history + $0] != nil }

    // One step back.
    var seeds = [Value?](repeating: nil, count: scan.body.outputs.count)
    for index in moving + given {
      seeds[index] = Graph.input("cotangent\(index)", scan.body.outputs[index].type)
    }
    let keptSeeds = kept.map { Graph.input("history\($0)", parameters[$0].type) }
    var back = pullback(of: scan.body.outputs, cotangents: seeds, to: parameters)
    for (index, seed) in zip(kept, keptSeeds) { back[index] = back[index].map { $0 + seed } ?? seed }
    let ofSequences = sequences.filter { wanted[$0] && back[$0] != nil }
    let ofCaptures = captures.filter { wanted[$0] && back[$0] != nil }
    let sums = ofCaptures.map { Graph.input("sum\($0)", parameters[$0].type) }

    let rows =
      carries.map { parameters[$0] } + sequences.map { parameters[$0] } + given.map { seeds[$0]! } + keptSeeds
    let body = GraphBody(
      parameters: moving.map { seeds[$0]! } + sums + rows + captures.map { parameters[$0] },
      outputs: moving.map { back[$0] ?? parameters[$0].splat(0) }
        + zip(sums, ofCaptures).map { $0 + back[$1]! }
        + ofSequences.map { back[$0]! })
    let first =
      moving.map { cotangents[$0] ?? operands[$0].splat(0) } + ofCaptures.map { operands[$0].splat(0) }
    let stacks =
      carries.map { results[history + $0] } + sequences.map { operands[$0] } + given.map { cotangents[$0]! }
      + kept.map { cotangents[history + $0]! }
    let all = make(
      body, carries: first.count, sequences: stacks.count, isReversed: !scan.isReversed,
      first + stacks + captures.map { operands[$0] })

    var found = none
    for (place, index) in moving.enumerated() { found[index] = all[place] }
    for (place, index) in ofCaptures.enumerated() { found[index] = all[moving.count + place] }
    for (place, index) in ofSequences.enumerated() { found[index] = all[first.count + place] }
    return found
  }
}
