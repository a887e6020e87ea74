/// What a subscript says about axes. Integers take one element and drop the axis; ranges keep it; negative positions count
/// from the back, also as bounds of ranges.
///
/// ```swift
/// x[0]               // first row
/// x[1..<3, ...]      // rows 1 and 2
/// x[..., -1]         // last column
/// x[.all, .newAxis]  // [n, m] -> [n, 1, m]
/// x[.every(2)]       // rows 0, 2, 4, ...
/// ```
public struct AxisIndex: Sendable, Hashable {
  enum Kind: Hashable {
    case position(Int)
    /// Negative bounds count from the back; nil: to the end.
    case range(Int, Int?, Int)
    case newAxis, ellipsis
  }
  let kind: Kind
}

/// Types that may stand in a tensor's subscript: `Int`, ranges of `Int`, and `.all`, `.newAxis`, `.ellipsis`, `.every`.
public protocol AxisIndexing {
  /// The index in the one form that subscripts read.
  var axisIndex: AxisIndex { get }
}

extension AxisIndex: AxisIndexing {
  public var axisIndex: AxisIndex { self }
}

extension AxisIndexing where Self == AxisIndex {
  /// The whole axis.
  public static var all: AxisIndex { AxisIndex(kind: .range(0, nil, 1)) }
  /// An axis of extent 1 that was not there.
  public static var newAxis: AxisIndex { AxisIndex(kind: .newAxis) }
  /// As many whole axes as the other indices leave.
  public static var ellipsis: AxisIndex { AxisIndex(kind: .ellipsis) }
  /// Every `step`-th element from `start` on, before `end`.
  public static func every(_ step: Int, from start: Int = 0, to end: Int? = nil) -> AxisIndex {
    AxisIndex(kind: .range(start, end, step))
  }
}

extension Int: AxisIndexing {
  public var axisIndex: AxisIndex { AxisIndex(kind: .position(self)) }
}

extension Range<Int>: AxisIndexing {
  public var axisIndex: AxisIndex { AxisIndex(kind: .range(lowerBound, upperBound, 1)) }
}

extension ClosedRange<Int>: AxisIndexing {
  public var axisIndex: AxisIndex {
    AxisIndex(kind: .range(lowerBound, bound(after: upperBound), 1))
  }
}

extension PartialRangeFrom<Int>: AxisIndexing {
  public var axisIndex: AxisIndex { AxisIndex(kind: .range(lowerBound, nil, 1)) }
}

extension PartialRangeUpTo<Int>: AxisIndexing {
  public var axisIndex: AxisIndex { AxisIndex(kind: .range(0, upperBound, 1)) }
}

extension PartialRangeThrough<Int>: AxisIndexing {
  public var axisIndex: AxisIndex { AxisIndex(kind: .range(0, bound(after: upperBound), 1)) }
}

/// The bound of a range that ends with this position; nil: to the end.
private func bound(after last: Int) -> Int? {
  require(last < .max, "subscript: position \(last) is outside of every axis")
  return last == -1 ? nil : last + 1
}

extension Tensor {
  /// The elements that the indices name, one index an axis, the remaining axes whole.
  public subscript(indices: any AxisIndexing...) -> Tensor { indexed(indices.map(\.axisIndex)) }

  /// `...` after the first indices: the remaining axes whole.
  public subscript(first: any AxisIndexing, rest: UnboundedRange) -> Tensor { indexed([first.axisIndex]) }

  /// `...` before the last indices.
  public subscript(rest: UnboundedRange, last: any AxisIndexing...) -> Tensor {
    indexed([.ellipsis] + last.map(\.axisIndex))
  }

  private func indexed(_ indices: [AxisIndex]) -> Tensor {
    let taken = indices.filter { $0.kind != .newAxis && $0.kind != .ellipsis }.count
    let ellipses = indices.filter { $0.kind == .ellipsis }.count
    require(
      taken <= rank && ellipses <= 1, "subscript: \(indices.count) indices do not fit shape \(shape)")
    let open = Array(repeating: AxisIndex.all, count: rank - taken)
    let full: [AxisIndex]
    if let position = indices.firstIndex(where: { $0.kind == .ellipsis }) {
      full = indices[..<position] + open + indices[(position + 1)...]
    } else {
      full = indices + open
    }
    var start: [Int] = [], limit: [Int] = [], step: [Int] = [], result: [Int] = []
    for index in full {
      let axis = start.count
      switch index.kind {
      case .newAxis, .ellipsis:
        result.append(1)
      case .position(let position):
        let front = position < 0 ? position + shape[axis] : position
        require(
          front >= 0 && front < shape[axis],
          "subscript: \(position) is outside of axis \(axis) of shape \(shape)")
        start.append(front)
        limit.append(front + 1)
        step.append(1)
      case .range(let lower, let upper, let stride):
        let low = lower < 0 ? lower + shape[axis] : lower
        let end = upper.map { $0 < 0 ? $0 + shape[axis] : $0 } ?? shape[axis]
        require(
          low >= 0 && low <= end && end <= shape[axis] && stride > 0,
          "subscript: \(lower)..<\(upper ?? shape[axis]) by \(stride) is outside of axis \(axis) of shape \(shape)"
        )
        start.append(low)
        limit.append(end)
        step.append(stride)
        result.append((end - low).dividedUp(by: stride))
      }
    }
    return Tensor(value.sliced(start: start, limit: limit, step: step).reshaped(to: Shape(result)))
  }
}
