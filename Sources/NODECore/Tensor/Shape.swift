/// The extents of a tensor, outermost first. Row-major; `[]` is a scalar.
public struct Shape: Sendable, Hashable, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// At most `maximumRank` of them, none negative.
  public let dimensions: [Int]

  /// Up to 8 extents, none negative, whose product is below 2^60: as many elements as can be counted in bytes.
  public init(_ dimensions: [Int]) { self.init(dimensions, for: "Shape") }

  /// - Parameter operation: whose shape it is, for the message.
  init(_ dimensions: [Int], for operation: String) {
    require(
      dimensions.allSatisfy { $0 >= 0 }, "\(operation): extents must not be negative, got \(dimensions)")
    require(dimensions.count <= Shape.maximumRank, "\(operation): rank \(dimensions.count) is above 8")
    require(
      Shape.isCountable(dimensions),
      "\(operation): \(dimensions) has more elements than can be counted in bytes (2^60)")
    self.dimensions = dimensions
  }

  /// The most that is made at once of numbers that are known: more is a mistake in a count, not data.
  static let mostBytes = 1 << 40

  /// The bytes of a tensor of this shape. Stops where they are more than `mostBytes`.
  @discardableResult
  func requireMemory(for operation: String, _ dtype: DType) -> Int {
    // No overflow: see `isCountable`.
    let bytes = count * dtype.byteCount
    require(
      bytes <= Shape.mostBytes,
      "\(operation): shape \(self) has \(bytes) bytes of \(dtype), more than \(Shape.mostBytes)")
    return bytes
  }

  /// Whether the bytes of so many elements, zero extents left out, are an `Int`.
  static func isCountable(_ dimensions: [Int]) -> Bool {
    var bytes = MemoryLayout<Double>.size
    for extent in dimensions where extent > 1 {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
      if overflow { return false }
      bytes = product
    }
    return true
  }

  /// With the limits of `init(_:)`.
  public init(arrayLiteral elements: Int...) { self.init(elements) }

  /// Axes that a tensor has at most.
  public static let maximumRank = 8

  /// Axes; 0 for a scalar.
  public var rank: Int { dimensions.count }
  /// Elements: the product of the extents, 1 for a scalar.
  public var count: Int { dimensions.reduce(1, *) }
  /// The extent of an axis, counted from the front: `normalized(axis:_:)` takes negative ones.
  public subscript(axis: Int) -> Int {
    require(dimensions.indices.contains(axis), "Shape: \(dimensions) has no axis \(axis)")
    return dimensions[axis]
  }

  /// Row-major strides in elements.
  public var strides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    for axis in stride(from: rank - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * dimensions[axis + 1]
    }
    return strides
  }

  /// The axis counted from the front; negative ones count from the back (-1 is the last).
  public func normalized(axis: Int, _ operation: String) -> Int {
    let front = axis < 0 ? axis + rank : axis
    require(
      front >= 0 && front < rank, "\(operation): axis \(axis) is outside of shape \(self)")
    return front
  }

  /// The shape that both broadcast to by the usual rule (aligned at the last axis, extents equal or 1), or nil.
  public func broadcast(with other: Shape) -> Shape? {
    let rank = max(self.rank, other.rank)
    var result = [Int](repeating: 1, count: rank)
    for back in 1...max(rank, 1) where back <= rank {
      let a = back <= self.rank ? self[self.rank - back] : 1
      let b = back <= other.rank ? other[other.rank - back] : 1
      guard a == b || a == 1 || b == 1 else { return nil }
      result[rank - back] = a == 1 ? b : a
    }
    return Shape(result)
  }

  public var description: String { "[" + dimensions.map(String.init).joined(separator: ", ") + "]" }
}

extension Int {
  /// The quotient rounded up, for every positive divisor.
  func dividedUp(by divisor: Int) -> Int { self / divisor + (self % divisor == 0 ? 0 : 1) }
}
