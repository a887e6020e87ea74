extension Program: CustomStringConvertible {
  /// A table of what runs: for every region its operations (equal ones on one line), how many there are, their
  /// floating-point operations, bytes and output shapes; totals; planned memory.
  public var description: String {
    let threads = Runtime.currentThreads
    var lines = ["program: \(signature)"]
    lines += table(of: program, lanes: 1, indent: "")
    lines.append(
      "total: \(program.instructions.count) operations, \(quantity(program.cost.flops, "flop")), "
        + quantity(program.cost.bytes, "B") + " read and written"
        + (hasSolves ? ", evaluations of fields not counted" : ""))
    lines.append(
      "memory: \(quantity(plannedBytes(threads: threads), "B")) planned for \(threads) \(threads == 1 ? "thread" : "threads")"
        + " (arena \(quantity(program.arenaBytes, "B")), one block \(quantity(program.blockBytes, "B"))), "
        + "program \(quantity(programBytes, "B"))")
    return lines.joined(separator: "\n")
  }

  var signature: String {
    func list(_ types: [TensorType]) -> String { types.map(\.description).joined(separator: ", ") }
    return "(\(list(inputTypes))) -> (\(list(outputTypes)))"
  }

  private var hasSolves: Bool { program.instructions.contains { $0.kernel.isSolve } }

  private struct Row {
    var name: String
    var shape: [Int]
    var count = 0
    var cost = Cost()
    var solve: NestedSolve?
  }

  private func table(of program: ProgramDescription, lanes: Int, indent: String) -> [String] {
    var lines: [String] = []
    for (index, region) in program.regions.enumerated() {
      lines.append(indent + title(region, index, of: program, lanes))
      var rows: [Row] = []
      var known: [[String]: Int] = [:]
      for position in region.instructions {
        let instruction = program.instructions[position]
        let origin = program.origins[instruction.origin]
        var solve: NestedSolve?
        if case .solve(let nested) = instruction.kernel { solve = nested }
        if case .solveGradient(let nested) = instruction.kernel { solve = nested }
        // Equal operations share a line, each solve has its own.
        let key = [origin.name, "\(origin.shape)", solve == nil ? "" : "\(position)"]
        let row = known[key] ?? rows.count
        if row == rows.count {
          known[key] = row
          rows.append(Row(name: origin.name, shape: origin.shape, solve: solve))
        }
        rows[row].count += 1
        rows[row].cost = rows[row].cost + program.cost(of: position, in: region, lanes: lanes)
      }
      lines += format(rows, indent: indent + "  ")
    }
    return lines
  }

  private func title(_ region: Region, _ index: Int, of program: ProgramDescription, _ lanes: Int) -> String {
    switch region.kind {
    case .serial:
      return index < program.setupRegions ? "once per solve" : "serial"
    case .lanes(let total, let block, let groups):
      let sums = region.accumulators.isEmpty ? "" : ", sums in \(groups) groups"
      return "\(total == 0 ? lanes : total) lanes in blocks of \(block)\(sums)"
    }
  }

  private func format(_ rows: [Row], indent: String) -> [String] {
    let cells = rows.map { row in
      [
        "\(row.count)", row.name, Shape(row.shape).description, quantity(row.cost.flops, "flop"),
        quantity(row.cost.bytes, "B"),
      ]
    }
    let widths = (0..<5).map { column in cells.map { $0[column].count }.max() ?? 0 }
    var lines: [String] = []
    for (row, cell) in zip(rows, cells) {
      let padded = cell.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - cell[column].count)
        // Numbers to the right, names to the left.
        return column == 1 || column == 2 ? cell[column] + space : space + cell[column]
      }
      lines.append(indent + padded.joined(separator: "  "))
      if let solve = row.solve { lines += format(solve, indent: indent + "  ") }
    }
    return lines
  }

  private func format(_ solve: NestedSolve, indent: String) -> [String] {
    let cost = solve.evaluationCost
    var lines = [
      indent
        + "\(solve.lanes) lanes of \(solve.dim), \(solve.tableau.stages) stages of order \(solve.tableau.order), "
        + (solve.controller.isAdaptive ? "adaptive steps" : "fixed steps")
        + (solve.controller.isPerLane ? " of each lane" : "")
        + "; an evaluation: \(quantity(cost.flops, "flop")), \(quantity(cost.bytes, "B"))"
    ]
    for (name, program) in solve.namedPrograms {
      lines.append(indent + name)
      lines += table(of: program, lanes: solve.lanes, indent: indent + "  ")
    }
    return lines
  }
}

/// A count with three significant digits and a decimal prefix: 12.3 Mflop.
func quantity(_ count: Int, _ unit: String) -> String {
  let prefixes = ["", "k", "M", "G", "T", "P"]
  var scaled = Double(count)
  var prefix = 0
  while scaled >= 999.5, prefix < prefixes.count - 1 {
    scaled /= 1000
    prefix += 1
  }
  if prefix == 0 { return "\(count) \(unit)" }
  let digits = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0
  return decimal(scaled, digits: digits) + " \(prefixes[prefix])\(unit)"
}

/// `x` with so many digits after the point.
func decimal(_ x: Double, digits: Int) -> String {
  let scale = (0..<digits).reduce(1) { result, _ in result * 10 }
  let rounded = Int((x * Double(scale)).rounded())
  guard digits > 0 else { return "\(rounded)" }
  let fraction = String(rounded % scale)
  return "\(rounded / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
}
