// Tensors in print, in NumPy's layout: nested brackets, columns of one width, large ones summarised by their edges.
//
// `Tensor` is not `Equatable`, on purpose. An `==` that compares numbers would evaluate, and trap on a symbol inside of a
// trace; one that compares graphs would call equal numbers unequal; and in the field's notation == is elementwise, which
// here is the mask `.==`. Compare `scalars`, or reduce a mask.

extension Tensor: CustomStringConvertible, CustomDebugStringConvertible {
  /// The numbers, with element type and shape where there is more than one. Evaluates; a symbol, or a tensor whose
  /// evaluation fails, prints what it is instead.
  public var description: String {
    shape.rank == 0 && !isSymbol ? numbers : debugDescription
  }

  /// The numbers, element type and shape.
  public var debugDescription: String { "\(numbers) \(Scalar.dtype)\(shape)" }

  private var numbers: String {
    if isSymbol { return "symbol" }
    do {
      let storage = try evaluate([value])[0]
      return TensorText(storage.array(of: Scalar.self, count: count), shape).text
    } catch {
      return "no numbers (\(error))"
    }
  }

  /// Whether the graph reaches a placeholder without numbers.
  private var isSymbol: Bool {
    if value.node.evaluated(value.index) != nil { return false }
    return Graph.order(of: [value]).contains {
      if case .input = $0.operation { return true }
      return false
    }
  }
}

private struct TensorText<Scalar: TensorScalar> {
  /// Above so many numbers only the edges are shown, three from either end of an axis; fewer where there are many axes.
  private static var threshold: Int { 1000 }
  private let edge: Int

  private let scalars: [Scalar]
  private let shape: Shape
  private let strides: [Int]
  private let isSummary: Bool
  private var cells: [Int: String] = [:]

  init(_ scalars: [Scalar], _ shape: Shape) {
    self.scalars = scalars
    self.shape = shape
    strides = shape.strides
    isSummary = scalars.count > Self.threshold
    edge = shape.rank <= 4 ? 3 : shape.rank <= 6 ? 2 : 1
    let shown = offsets(axis: 0, offset: 0)
    let texts = format(shown.map { scalars[$0] })
    cells = Dictionary(zip(shown, texts), uniquingKeysWith: { first, _ in first })
  }

  var text: String { text(axis: 0, offset: 0) }

  /// The positions along an axis that are shown; nil marks the gap.
  private func positions(_ axis: Int) -> [Int?] {
    let extent = shape[axis]
    guard isSummary && extent > 2 * edge else { return Array(0..<extent) }
    return Array(0..<edge) + [nil] + Array(extent - edge..<extent)
  }

  private func offsets(axis: Int, offset: Int) -> [Int] {
    if axis == shape.rank { return [offset] }
    return positions(axis).compactMap { $0 }.flatMap {
      offsets(axis: axis + 1, offset: offset + $0 * strides[axis])
    }
  }

  private func text(axis: Int, offset: Int) -> String {
    if axis == shape.rank { return cells[offset]! }
    let parts = positions(axis).map {
      $0.map { text(axis: axis + 1, offset: offset + $0 * strides[axis]) } ?? "..."
    }
    // Rows on lines of their own under the opening bracket, an empty line more for every axis in between.
    let between = axis == shape.rank - 1 ? " " : String(repeating: "\n", count: shape.rank - 1 - axis)
    let indent = axis == shape.rank - 1 ? "" : String(repeating: " ", count: axis + 1)
    return "[" + parts.joined(separator: "," + between + indent) + "]"
  }

  private func format(_ scalars: [Scalar]) -> [String] {
    let texts = Scalar.dtype == .int32 ? scalars.map { "\($0)" } : formatFloating(scalars)
    let width = texts.map(\.count).max() ?? 0
    guard shape.rank > 0 else { return texts }
    return texts.map { String(repeating: " ", count: width - $0.count) + $0 }
  }

  /// NumPy's choice between the two notations, and at most eight digits after the point, as many for every number.
  private func formatFloating(_ scalars: [Scalar]) -> [String] {
    let finite = scalars.filter { $0.asDouble.isFinite && $0.asDouble != 0 }.map { abs($0.asDouble) }
    let largest = finite.max() ?? 0
    let smallest = finite.min() ?? 1
    let isScientific = largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000
    let numbers = scalars.map { Decimal("\($0)") }
    let digits = numbers.map { $0?.fractionDigits(scientific: isScientific) ?? 0 }.max() ?? 0
    return zip(numbers, scalars).map { number, scalar in
      number?.text(digits: Swift.max(digits, 1), scientific: isScientific) ?? "\(scalar)"
    }
  }
}

/// The shortest decimal that reads back as the number, which is how Swift prints it: sign, digits d.ddd and exponent.
private struct Decimal {
  private static let maximumDigits = 8
  private var isNegative: Bool
  /// The first one is not zero, but for zero itself.
  private var digits: [UInt8]
  private var exponent: Int

  /// Nil for infinities and NaN.
  init?(_ text: String) {
    var mantissa = text[...]
    isNegative = mantissa.first == "-"
    if isNegative { mantissa = mantissa.dropFirst() }
    guard mantissa.first?.isNumber == true else { return nil }
    var shift = 0
    if let e = mantissa.firstIndex(where: { $0 == "e" }) {
      shift = Int(mantissa[mantissa.index(after: e)...]) ?? 0
      mantissa = mantissa[..<e]
    }
    let parts = mantissa.split(separator: ".", omittingEmptySubsequences: false)
    let integer = parts[0], fraction = parts.count > 1 ? parts[1] : ""
    digits = (integer + fraction).utf8.map { $0 - 48 }
    exponent = integer.utf8.count - 1 + shift
    while digits.count > 1, digits.first == 0 {
      digits.removeFirst()
      exponent -= 1
    }
    while digits.count > 1, digits.last == 0 { digits.removeLast() }
    if digits == [0] { exponent = 0 }
  }

  /// Rounded to so many digits after the first one (half to even); the exponent grows where 9.99 becomes 10.
  private func rounded(to count: Int) -> Decimal {
    guard digits.count > count + 1 else { return self }
    var result = self
    if count < -1 { return Decimal("0.0")! }
    let kept = Array(digits.prefix(count + 1))
    let rest = digits[(count + 1)...]
    let isHalf = rest.first == 5 && rest.dropFirst().allSatisfy { $0 == 0 }
    let roundsUp = rest.first! > 5 || (rest.first == 5 && !isHalf) || (isHalf && (kept.last ?? 0) % 2 == 1)
    result.digits = [0] + kept
    if roundsUp {
      var position = result.digits.count - 1
      while result.digits[position] == 9 {
        result.digits[position] = 0
        position -= 1
      }
      result.digits[position] += 1
    }
    if result.digits[0] == 0 { result.digits.removeFirst() } else { result.exponent += 1 }
    if result.digits.isEmpty { return Decimal("0.0")! }
    while result.digits.count > 1, result.digits.last == 0 { result.digits.removeLast() }
    return result
  }

  func fractionDigits(scientific: Bool) -> Int {
    if scientific { return rounded(to: Decimal.maximumDigits).digits.count - 1 }
    let short = rounded(to: exponent + Decimal.maximumDigits)
    return Swift.max(short.digits.count - 1 - short.exponent, 0)
  }

  func text(digits count: Int, scientific: Bool) -> String {
    let sign = isNegative ? "-" : ""
    if scientific {
      let short = rounded(to: count)
      let power = short.exponent.magnitude
      let exponent = (short.exponent < 0 ? "-" : "+") + (power < 10 ? "0" : "") + "\(power)"
      return sign + short.text(from: 0, through: 0) + "." + short.text(from: 1, through: count) + "e"
        + exponent
    }
    let short = rounded(to: exponent + count)
    let integer = short.exponent < 0 ? "0" : short.text(from: 0, through: short.exponent)
    return sign + integer + "." + short.text(from: short.exponent + 1, through: short.exponent + count)
  }

  /// Digits at these places after the first one, zeros outside of those that there are.
  private func text(from first: Int, through last: Int) -> String {
    guard first <= last else { return "" }
    return (first...last).map { digits.indices.contains($0) ? "\(digits[$0])" : "0" }.joined()
  }
}
